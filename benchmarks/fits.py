"""A whole fit: `EntropyClustering` beside scikit-learn's K-means and Gaussian mixture.

Run: ``.venv/bin/python benchmarks/fits.py [--out results/performance.csv]``. Everyone has the same data, float64, the
same number of starts and otherwise its defaults. They solve different problems, so no values can agree; on well
separated blobs the clusterings do, which is checked.
"""

from __future__ import annotations

import argparse
import warnings
from functools import partial

from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from timing import arguments, keep, one_thread, race

from paperlib.data import gaussian_blobs
from paperlib.estimators import EntropyClustering

TABLE = "performance: fits"
SIZES, D, K, STARTS = (500, 1500, 4500), 16, 10, 5


def parser() -> argparse.ArgumentParser:
    return arguments(__doc__)


def main() -> None:
    options = parser().parse_args()
    one_thread()
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = []
    models = {
        "EntropyClustering": EntropyClustering(K),
        "EntropyClustering, self-labelling": EntropyClustering(K, method="self_labeling", fairness_weight=10.0),
        "KMeans": KMeans(K),
        "GaussianMixture": GaussianMixture(K),
    }
    for model in models.values():
        model.set_params(n_init=STARTS, random_state=0)
    for n in SIZES:
        x = gaussian_blobs(n, K, n_features=D, spread=3.0, seed=0).x.double().numpy()
        found = {name: model.fit_predict(x) for name, model in models.items()}
        for name, labels in found.items():
            agreement = adjusted_rand_score(found["EntropyClustering"], labels)
            if agreement < 0.95:
                raise RuntimeError(f"{name} and EntropyClustering agree only by {agreement:.2f} on {n} samples")
        calls = {name: partial(model.fit, x) for name, model in models.items()}
        rows += race(TABLE, f"blobs, n={n}, d={D}, k={K}, {STARTS} starts, float64, 1 thread", calls, options.rounds)
    keep(options.out, rows)


if __name__ == "__main__":
    main()
