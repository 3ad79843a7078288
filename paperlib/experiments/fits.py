"""What experiments on fixed features share: a method by its name, a timed fit, the metrics, the rows of a fit."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import ArrayLike
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib import metrics
from paperlib.data import Dataset
from paperlib.estimators import EntropyClustering, SoftRegularizedKMeans
from paperlib.experiments.results import Row, peak_memory, stamp
from paperlib.losses import self_labeling_loss
from paperlib.losses.self_labeling import Divergence
from paperlib.models import LinearSoftmax, critical_gamma
from paperlib.training import minimize_full_batch

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
    found = circumstances(began, getattr(model, "device", "cpu"))
    loss = model.inertia_ / len(model.labels_) if isinstance(model, KMeans) else model.loss_
    return Fit(model, float(loss), found)


def circumstances(began: float, device: str | torch.device | None = "cpu") -> dict[str, Any]:
    """What rows say of a run that ``began`` at a reading of ``time.perf_counter`` and ends now."""
    return {"seconds": time.perf_counter() - began, "peak_memory": peak_memory(device), **stamp(device)}


def fit_to_labels(x: Tensor, targets: Tensor, coupling: Divergence, price: float) -> LinearSoftmax:
    """A linear softmax trained on ``targets`` ``[n, k]`` from zero weights; ``price`` is a share of the critical gamma.

    Cost: O(n k d) an iteration.
    """
    n_classes = targets.shape[1]
    weight = x.new_zeros(n_classes, x.shape[1])
    scale = float(x.var(0, correction=0).sum()) ** 0.5
    model = LinearSoftmax(weight, weight[:, 0], mean=x.mean(0), scale=scale)
    gamma = price * critical_gamma(x, n_classes)
    minimize_full_batch(model, lambda logits: self_labeling_loss(logits, targets, divergence=coupling), x, gamma=gamma)
    return model


def labels_of(data: Dataset) -> Tensor:
    """The labels of ``data``, shape ``[n]``.

    Raises:
        ValueError: if it has none.
    """
    if data.y is None:
        raise ValueError(f"{data.name} has no labels to judge a clustering by; choose a labelled data set")
    return data.y


def judge(truth: Any, labels: Any) -> dict[str, float]:
    """`METRICS` of one clustering."""
    return {name: metric(truth, labels) for name, metric in METRICS.items()}


def rows(measured: Mapping[str, float], **columns: Any) -> Iterator[Row]:
    """A row for each metric; ``columns`` are the others, the same for all."""
    for name, value in measured.items():
        yield Row(metric=name, value=float(value), **columns)
