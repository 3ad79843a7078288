"""Every method of the book on the same features: its scores, its cost, and which methods find the same partition.

Rows alone are stored. The labels that pairs need are kept in memory and, for a run that may be stopped, in a folder.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

from paperlib import metrics
from paperlib._checks import check_whole
from paperlib.estimators import EntropyClustering, GeminiClustering, NeighborClustering, SoftRegularizedKMeans
from paperlib.experiments.cells import Cell, Measurement
from paperlib.experiments.fits import circumstances, judge
from paperlib.experiments.frozen_features import PROBE, Task, probe
from paperlib.runtime import atomic_path

TABLE, AGREEMENT = "side by side", "agreement"
DATASETS = ("digits", "fashion_mnist_mobilenet_v2")
Factory = Callable[..., Any]


def _unit_rows(factory: Factory) -> Factory:
    """The same method on rows scaled to length one, as the methods on neighbours see them."""
    return lambda n_clusters, *, random_state: make_pipeline(
        Normalizer(), factory(n_clusters, random_state=random_state)
    )


# From a number of clusters and a random state to an estimator with ``fit_predict``. Starts and weights are those of
# `paperlib.experiments.frozen_features`, which were fixed before; all else, but for Wasserstein's batches, is default.
METHODS: dict[str, Factory] = {
    "K-means": partial(KMeans, n_init=10),
    "K-means, unit rows": _unit_rows(partial(KMeans, n_init=10)),
    "Gaussian mixture": partial(GaussianMixture, n_init=10),
    "soft K-means": partial(SoftRegularizedKMeans, n_init=10),
    "mutual information": partial(EntropyClustering, n_init=10),
    "mutual information, unit rows": _unit_rows(partial(EntropyClustering, n_init=10)),
    "MI-ADM": partial(EntropyClustering, method="mi_adm", n_init=10),
    "self-labelling": partial(EntropyClustering, method="self_labeling", fairness_weight=10.0, n_init=3),
    "self-labelling, collision": partial(
        EntropyClustering, method="collision_self_labeling", fairness_weight=10.0, n_init=3
    ),
    "SeLa": partial(EntropyClustering, method="sela", n_init=3),
    "KL OvA, no penalty": partial(GeminiClustering, objective="kl_ova", n_init=10),
    "MMD OvA": partial(GeminiClustering, objective="mmd_ova", n_init=10),
    "MMD OvO": partial(GeminiClustering, objective="mmd_ovo", n_init=10),
    "Wasserstein OvA": partial(
        GeminiClustering, objective="wasserstein_ova", n_init=1, batch_size=250, max_iter=100
    ),  # a transport for each cluster in every step
    "SCAN": partial(NeighborClustering, objective="scan"),
    "IIC": partial(NeighborClustering, objective="iic"),
    "TEMI": partial(NeighborClustering, objective="temi"),
    "CRLC": partial(NeighborClustering, objective="crlc"),
    "CRLC, prior": partial(NeighborClustering, objective="crlc_prior"),
    "contrast of clusters": partial(NeighborClustering, objective="cluster_contrast"),
}


@dataclass(frozen=True)
class SideBySideConfig:
    """What is run.

    Attributes:
        datasets: names that `paperlib.experiments.frozen_features.load_task` knows.
        methods: names out of `METHODS`.
        n_seeds: seeds 0, 1, ...; at least two, since a method is compared with itself, too.
        max_starts: where a method has more starts, or more heads, so many are made; None for those of `METHODS`.
        max_samples: where a set has more samples, so many are drawn once.
        size: the name of this size in the rows.

    Raises:
        ValueError: if there are fewer than two seeds, or no start.
    """

    datasets: tuple[str, ...] = ("digits",)
    methods: tuple[str, ...] = tuple(METHODS)
    n_seeds: int = 2
    max_starts: int | None = 1
    max_samples: int = 600
    size: str = "smoke"

    def __post_init__(self) -> None:
        check_whole(self.n_seeds, "n_seeds", 2)
        if self.max_starts is not None:
            check_whole(self.max_starts, "max_starts")


LAPTOP = SideBySideConfig(datasets=DATASETS, n_seeds=6, max_starts=None, max_samples=10_000, size="laptop")


def label(task: Task, method: str, seed: int, max_starts: int | None = None) -> NDArray[np.integer[Any]]:
    """Cluster of each sample by a method out of `METHODS`, shape ``[n]``.

    Empty clusters are no warning here: the rows count them.
    """
    model = METHODS[method](task.n_clusters, random_state=seed)
    if max_starts is not None:
        estimator = model[-1] if isinstance(model, Pipeline) else model
        starts = "n_init" if hasattr(estimator, "n_init") else "n_heads"
        estimator.set_params(**{starts: min(getattr(estimator, starts), max_starts)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of clusters left empty, or about to be
        return np.asarray(model.fit_predict(task.x))


@dataclass(frozen=True, eq=False)
class Labellings:
    """The labels of every run: in memory and, where there is a folder, in files.

    Attributes:
        max_starts: see `SideBySideConfig`.
        folder: for the files; None for none.
    """

    max_starts: int | None = None
    folder: Path | None = None
    _known: dict[Path, NDArray[np.integer[Any]]] = field(default_factory=dict)

    def scores(self, task: Task, method: str, seed: int) -> Measurement:
        """Fit anew: the metrics and the processor's seconds, all starts included; other processes do not count."""
        began, cpu_began = time.perf_counter(), time.process_time()
        labels = label(task, method, seed, self.max_starts)
        measured = {"cpu_seconds": time.process_time() - cpu_began, "clusters_used": metrics.clusters_used(labels)}
        made = circumstances(began)
        self._keep(task, method, seed, labels)
        return measured | ({} if task.y is None else judge(task.y, labels)), made

    def agreement(self, task: Task, method: str, others: Sequence[str], seed: int, n_seeds: int) -> Measurement:
        """Adjusted Rand index with each of ``others`` at every *other* seed, averaged.

        So a method meets itself as it meets the others: never in the same run, nor with the same random numbers.
        """
        began = time.perf_counter()
        mine = self.labels(task, method, seed)
        measured = {}
        for other in others:
            theirs = (self.labels(task, other, another) for another in range(n_seeds) if another != seed)
            indices = [metrics.adjusted_rand_index(mine, labels) for labels in theirs]
            measured[agreement_with(other)] = sum(indices) / len(indices)
        return measured, circumstances(began)

    def labels(self, task: Task, method: str, seed: int) -> NDArray[np.integer[Any]]:
        """Those of a run that was; if there was none, fit."""
        name = self._name(task, method, seed)
        if name not in self._known:
            if self.folder is not None and (self.folder / name).exists():
                self._known[name] = np.load(self.folder / name)
            else:
                self._keep(task, method, seed, label(task, method, seed, self.max_starts))
        return self._known[name]

    def _keep(self, task: Task, method: str, seed: int, labels: NDArray[np.integer[Any]]) -> None:
        name = self._name(task, method, seed)
        self._known[name] = labels
        if self.folder is not None:
            with atomic_path(self.folder / name) as temporary, temporary.open("wb") as stream:
                np.save(stream, labels)

    def _name(self, task: Task, method: str, seed: int) -> Path:
        starts = "" if self.max_starts is None else f", {self.max_starts} starts"
        return Path(f"{task.name}, {method}{starts}, seed {seed}.npy".replace("/", "-"))


def agreement_with(method: str) -> str:
    """The metric of a row of the table `AGREEMENT`."""
    return f"agreement with {method}"


def cells(config: SideBySideConfig, tasks: Sequence[Task], *, folder: Path | None = None) -> Iterator[Cell]:
    """A cell for each set, method and seed, the linear probe, and the agreement of each method with those before it.

    Args:
        config: what is run.
        tasks: the features.
        folder: where labels are kept, for a run that is stopped and started again; None keeps them in memory alone.
    """
    kept = Labellings(config.max_starts, folder)
    for task in tasks:
        for seed in range(config.n_seeds):
            for method in config.methods:
                yield Cell(TABLE, task.name, method, config.size, seed, partial(kept.scores, task, method, seed))
            if task.y is not None:
                yield Cell(TABLE, task.name, PROBE, config.size, seed, partial(probe, task, seed=seed))
        for seed in range(config.n_seeds):
            for place, method in enumerate(config.methods):
                others = config.methods[: place + 1]
                measure = partial(kept.agreement, task, method, others, seed, config.n_seeds)
                yield Cell(AGREEMENT, task.name, method, config.size, seed, measure)
