"""Studies on frozen features: the price, classes of unequal size, and another number of clusters than of classes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from paperlib import metrics
from paperlib.experiments.cells import Cell, Measurement
from paperlib.experiments.fits import clusterer, fit, judge
from paperlib.experiments.frozen_features import OPTIONS, FrozenFeaturesConfig, Task
from paperlib.models import critical_gamma

SHARES = (10, 30, 100, 300)  # the critical gamma over the gamma of a model
RATIOS = (1, 3, 10)  # the largest class over the smallest
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)  # clusters asked for, over classes
ARMS = ("k-means", "uniform prior", "true prior", "fairness weight 0.3")
LOW_WEIGHT = 0.3


def price_cells(config: FrozenFeaturesConfig, tasks: list[Task]) -> Iterator[Cell]:
    """A cell for each set, gamma and seed; a seed is a split into halves and the starts on them."""
    for task in tasks:
        for share in SHARES:
            for seed in range(config.n_seeds):
                measure = partial(cluster_halves, task, share, n_init=config.n_init_slow, seed=seed)
                yield Cell("price", task.name, f"critical gamma over {share}", config.size, seed, measure)


def imbalance_cells(config: FrozenFeaturesConfig, tasks: list[Task]) -> Iterator[Cell]:
    """A cell for each labelled set, ratio, arm and seed; a seed is a sample and the starts on it.

    The arms but K-means are mutual information. The *true prior* is knowledge that labels give: it is an upper bound
    of what a guess of the proportions can bring.
    """
    for task in tasks:
        for ratio in RATIOS:
            for arm in ARMS:
                for seed in range(config.n_seeds if task.y is not None else 0):
                    measure = partial(cluster_unbalanced, task, ratio, arm, n_init=config.n_init_slow, seed=seed)
                    yield Cell("imbalance", f"{task.name}, ratio {ratio}", arm, config.size, seed, measure)


def number_cells(config: FrozenFeaturesConfig, tasks: list[Task]) -> Iterator[Cell]:
    """A cell for each set, number of clusters, seed, and of the methods K-means and mutual information."""
    for task in tasks:
        for n_clusters in dict.fromkeys(max(2, round(factor * task.n_clusters)) for factor in FACTORS):
            for method in ("k-means", "mutual_information"):
                for seed in range(config.n_seeds):
                    measure = partial(cluster_into, task, method, n_clusters, n_init=config.n_init_slow, seed=seed)
                    label = f"{method}, {n_clusters} clusters"
                    yield Cell("number of clusters", task.name, label, config.size, seed, measure)


def unbalanced(labels: NDArray[np.integer], ratio: float, seed: int) -> NDArray[np.intp]:
    """Indices of a sample whose class sizes fall geometrically, the largest ``ratio`` times the smallest.

    The largest class keeps as many samples as the smallest class of ``labels`` has; which class is large is drawn.

    Args:
        labels: shape ``[n]``, at least two classes.
        ratio: at least 1.
        seed: of the order of the classes and of the samples.
    """
    random = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    sizes = counts.min() * ratio ** (-np.arange(len(classes)) / (len(classes) - 1))
    members = [
        random.permutation(np.flatnonzero(labels == label))[: max(1, round(size))]
        for label, size in zip(random.permutation(classes), sizes, strict=True)
    ]
    return random.permutation(np.concatenate(members))


def cluster_halves(task: Task, share: float, *, n_init: int, seed: int) -> Measurement:
    """Cluster two random halves by mutual information, each without the other, and compare.

    ``agreement`` needs no labels: the adjusted Rand index of what the two models predict, on either half, averaged.
    """
    order = np.random.default_rng(seed).permutation(len(task.x))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    gamma = critical_gamma(torch.from_numpy(task.x), task.n_clusters) / share
    models = [clusterer("mutual_information", task.n_clusters, n_init=n_init, seed=seed, gamma=gamma) for _ in halves]
    found = [fit(model, task.x[half]) for model, half in zip(models, halves, strict=True)]
    first, second = (model.predict(task.x) for model in models)
    agreement = [metrics.adjusted_rand_index(first[half], second[half]) for half in halves]
    measured = {"agreement": float(np.mean(agreement)), "loss": float(np.mean([half.loss for half in found]))}
    if task.y is not None:
        pairs = zip(models, halves, strict=True)
        measured["accuracy"] = float(
            np.mean([metrics.clustering_accuracy(task.y[half], model.labels_) for model, half in pairs])
        )
    return measured, found[0].circumstances | {"seconds": sum(half.circumstances["seconds"] for half in found)}


def cluster_unbalanced(task: Task, ratio: float, arm: str, *, n_init: int, seed: int) -> Measurement:
    """Cluster an unbalanced sample; ``arm`` is one of `ARMS`."""
    assert task.y is not None
    kept = unbalanced(task.y, ratio, seed)
    x, y = task.x[kept], task.y[kept]
    shares = np.unique(y, return_counts=True)[1] / len(y)
    options: dict[str, dict[str, Any]] = {
        "true prior": {"prior": shares},
        "fairness weight 0.3": {"fairness_weight": LOW_WEIGHT},
    }
    method = "k-means" if arm == "k-means" else "mutual_information"
    model = clusterer(method, task.n_clusters, n_init=n_init, seed=seed, **options.get(arm, {}))
    found = fit(model, x)
    measured = {"loss": found.loss, "clusters_used": metrics.clusters_used(model.labels_), **judge(y, model.labels_)}
    return measured, found.circumstances


def cluster_into(task: Task, method: str, n_clusters: int, *, n_init: int, seed: int) -> Measurement:
    """Cluster into another number of clusters; accuracy is many-to-one, and named so."""
    model = clusterer(method, n_clusters, n_init=n_init, seed=seed, **OPTIONS[method])
    found = fit(model, task.x)
    measured = {"loss": found.loss, "clusters_used": metrics.clusters_used(model.labels_)}
    if task.y is not None:
        scores = judge(task.y, model.labels_)
        del scores["accuracy"]  # one-to-one: not to be compared between numbers of clusters
        measured |= scores | {"many_to_one_accuracy": metrics.many_to_one_accuracy(task.y, model.labels_)}
    return measured, found.circumstances
