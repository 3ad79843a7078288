"""Draw the README's picture: `python tools/readme_picture.py` writes book/_static/readme.png."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from files import ROOT
from sklearn.cluster import KMeans

from paperlib.data import two_strips
from paperlib.estimators import EntropyClustering
from paperlib.plotting import decision_regions, scatter, use_house_style
from paperlib.runtime import atomic_path


def main() -> None:
    use_house_style()
    x = np.asarray(two_strips().x)
    kmeans = KMeans(2, n_init=50, random_state=0).fit(x)
    entropy = EntropyClustering(2, gamma=5e-3, init="random", n_init=50, random_state=0).fit(x)
    _, axes = plt.subplots(1, 2, figsize=(9, 2.9), sharey=True)
    panels = (
        ("K-means cuts across", lambda points: np.eye(2)[kmeans.predict(points)], kmeans.labels_),
        ("entropy clustering cuts between", entropy.predict_proba, entropy.labels_),
    )
    for ax, (title, predict, labels) in zip(axes, panels, strict=True):
        decision_regions(predict, x, ax=ax)
        scatter(x, labels, ax=ax)
        ax.set(title=title, xlabel="$x_1$")
    axes[0].set_ylabel("$x_2$")
    with atomic_path(ROOT / "book" / "_static" / "readme.png") as path:
        plt.savefig(path, format="png", dpi=110)


if __name__ == "__main__":
    main()
