"""What experiments on fixed features share: a method by its name, a timed fit, the metrics, the rows of a fit."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from paperlib import metrics
from paperlib.estimators import EntropyClustering, SoftRegularizedKMeans
from paperlib.experiments.results import Row, peak_memory, stamp

METRICS: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": metrics.clustering_accuracy,
    "nmi": metrics.normalized_mutual_information,
    "ari": metrics.adjusted_rand_index,
}


def clusterer(method: str, n_clusters: int, *, n_init: int, seed: int, **options: Any) -> Any:
    """An estimator by the name that it has in the rows.

    Args:
        method: ``"k-means"``, ``"soft_regularized_kmeans"``, or a method of `EntropyClustering`.
        n_clusters: number of clusters.
        n_init: starts, of which the estimator keeps the one of lowest loss.
        seed: of the starts.
        options: further arguments of the estimator.
    """
    common = {"n_init": n_init, "random_state": seed, **options}
    if method == "k-means":
        return KMeans(n_clusters, **common)
    if method == "soft_regularized_kmeans":
        return SoftRegularizedKMeans(n_clusters, **common)
    return EntropyClustering(n_clusters, method=method, **common)


@dataclass(frozen=True)
class Fit:
    """A fitted estimator, its loss, and what its rows say of the run (``seconds``, ``peak_memory``, the stamp).

    The loss is the method's own, per sample: nats, but for K-means squared distances.
    """

    model: Any
    loss: float
    circumstances: dict[str, Any]


def fit(model: Any, x: ArrayLike) -> Fit:
    """Fit ``model`` to ``x``, shape ``[n, d]``, and take the time."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # clusters used are a metric of their own
        model.fit(x)
    seconds = time.perf_counter() - began
    device = getattr(model, "device", "cpu")
    loss = model.inertia_ / len(model.labels_) if isinstance(model, KMeans) else model.loss_
    return Fit(model, float(loss), {"seconds": seconds, "peak_memory": peak_memory(device), **stamp(device)})


def judge(truth: Any, labels: Any) -> dict[str, float]:
    """`METRICS` of one clustering."""
    return {name: metric(truth, labels) for name, metric in METRICS.items()}


def rows(measured: Mapping[str, float], **columns: Any) -> Iterator[Row]:
    """A row for each metric; ``columns`` are the others, the same for all."""
    for name, value in measured.items():
        yield Row(metric=name, value=float(value), **columns)
