"""The quickstart: K-means and entropy clustering on frozen image features, every seed a row for each metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paperlib import metrics
from paperlib.data import load
from paperlib.experiments.fits import METRICS, clusterer, fit, judge, labels_of, rows
from paperlib.experiments.results import Row

__all__ = ["METRICS", "QuickstartConfig", "run"]


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
    truth, test_truth = labels_of(train), labels_of(test)
    n_clusters = len(np.unique(truth))
    for method in config.methods:
        for seed in range(config.n_seeds):
            found = fit(clusterer(method, n_clusters, n_init=config.n_init, seed=seed), np.asarray(train.x))
            labels = found.model.labels_
            own = {"loss": found.loss, "clusters_used": metrics.clusters_used(labels)}
            for split, measured in (
                ("train", own | judge(truth, labels)),
                ("test", judge(test_truth, found.model.predict(np.asarray(test.x)))),
            ):
                yield from rows(
                    measured,
                    paper="none",
                    table="quickstart",
                    dataset=f"{config.dataset}/{split}",
                    method=f"{method}, {config.n_init} starts",
                    size=config.size,
                    seed=seed,
                    **found.circumstances,
                )
