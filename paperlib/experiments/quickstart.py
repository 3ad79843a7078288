"""The quickstart: K-means and entropy clustering on frozen image features, every seed a row for each metric."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from paperlib import metrics
from paperlib.data import load
from paperlib.estimators import EntropyClustering
from paperlib.experiments.results import Row, peak_memory, stamp

METRICS: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": metrics.clustering_accuracy,
    "nmi": metrics.normalized_mutual_information,
    "ari": metrics.adjusted_rand_index,
}


@dataclass(frozen=True)
class QuickstartConfig:
    """What the quickstart runs; nothing here was chosen by labels.

    Attributes:
        n_seeds: seeds 0, 1, ...
        n_init: starts of every method, the lowest loss of its own wins.
        dataset: a data set with a train and a test split, its classes the number of clusters.
        methods: ``"k-means"`` or a method of :class:`paperlib.estimators.EntropyClustering`.
        size: the name of this size in the rows.
    """

    n_seeds: int = 2
    n_init: int = 10
    dataset: str = "fashion_mnist_mobilenet_v2"
    methods: tuple[str, ...] = ("k-means", "mutual_information")
    size: str = "smoke"


def run(config: QuickstartConfig) -> Iterator[Row]:
    """Fit each method on the train split for each seed, judge it there and on the test split; yield the rows.

    Labels of the data are used to judge alone. ``loss`` is the method's own objective: nats for entropy clustering,
    squared distance a sample for K-means.
    """
    train, test = load(config.dataset, split="train"), load(config.dataset, split="test")
    if train.y is None or test.y is None:
        raise ValueError(f"{config.dataset} has no labels to judge a clustering by; choose a labelled data set")
    n_clusters = len(np.unique(train.y))
    for method in config.methods:
        for seed in range(config.n_seeds):
            if method == "k-means":
                model: Any = KMeans(n_clusters, n_init=config.n_init, random_state=seed)
            else:
                model = EntropyClustering(n_clusters, method=method, n_init=config.n_init, random_state=seed)
            began = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # clusters used are a metric of their own
                model.fit(np.asarray(train.x))
            seconds = time.perf_counter() - began
            device = "cpu" if method == "k-means" else None
            memory, made = peak_memory(device), stamp(device)
            loss = model.inertia_ / len(train.x) if method == "k-means" else model.loss_
            measured = {
                ("train", "loss"): float(loss),
                ("train", "clusters_used"): float(metrics.clusters_used(model.labels_)),
            }
            for split, labels, truth in (
                ("train", model.labels_, train.y),
                ("test", model.predict(np.asarray(test.x)), test.y),
            ):
                measured |= {(split, name): metric(truth, labels) for name, metric in METRICS.items()}
            for (split, name), value in measured.items():
                yield Row(
                    paper="none",
                    table="quickstart",
                    dataset=f"{config.dataset}/{split}",
                    method=f"{method}, {config.n_init} starts",
                    size=config.size,
                    seed=seed,
                    metric=name,
                    value=value,
                    seconds=seconds,
                    peak_memory=memory,
                    **made,
                )
