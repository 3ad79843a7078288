"""Linear clustering of frozen features: every method of the family, with K-means and a linear probe beside it.

`table_cells` is the table; `diagnosis_cells` asks of a method that disappoints whether its loss or its search is at
fault. The studies of the price, of imbalance and of a wrong number of clusters are in
`paperlib.experiments.frozen_studies`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from torch.nn.functional import normalize, one_hot

from paperlib import metrics
from paperlib.data import Dataset, load, read_features
from paperlib.data.features import principal_axes
from paperlib.estimators.entropy_clustering import AUTO_GAMMA
from paperlib.experiments.cells import Cell, Measurement
from paperlib.experiments.fits import circumstances, clusterer, fit, fit_to_labels, judge, labels_of
from paperlib.models import critical_gamma
from paperlib.training import MutualInformation, minimize_full_batch

DATASETS = ("digits", "mnist", "fashion_mnist_mobilenet_v2", "bbc_news_minilm")
# What differs from the estimators' defaults: the strong fairness of a self-labelling loss asks for more weight. What
# comes before the comma is the method's name; ``share`` is the critical gamma over the gamma.
OPTIONS: dict[str, dict[str, Any]] = {
    "k-means": {},
    "soft_regularized_kmeans": {},
    "mutual_information": {},
    "self_labeling": {"fairness_weight": 10.0},
    "self_labeling, weight 1": {},
    "collision_self_labeling": {"fairness_weight": 10.0},
    "mi_adm": {},
    "sela": {},
    "mutual_information, path": {"init": "continuation", "share": 300},
}
# Their pseudo-labels take many passes: fewer starts.
SLOW = ("self_labeling", "self_labeling, weight 1", "collision_self_labeling", "sela")
# Cheap, and searched further: does the choice by loss settle?
MORE = ("k-means", "mutual_information")
N_COMPONENTS = 128
N_FOLDS = 5
PROBE = "linear probe with labels"


@dataclass(frozen=True)
class FrozenFeaturesConfig:
    """What is run; nothing here was chosen by labels, but that *path* is here at all: accuracies had been seen before.

    Attributes:
        datasets: names out of `DATASETS`.
        methods: names out of `OPTIONS`.
        n_seeds: seeds 0, 1, ...
        n_init: starts of a method; the lowest loss of its own wins.
        n_init_slow: starts of the methods in `SLOW`, and in the studies.
        n_init_more: starts of the methods in `MORE`, which are run again with these if they are more than ``n_init``.
        max_samples: where a set has more samples, so many are drawn once.
        size: the name of this size in the rows.
    """

    datasets: tuple[str, ...] = ("digits", "fashion_mnist_mobilenet_v2")
    methods: tuple[str, ...] = tuple(OPTIONS)
    n_seeds: int = 2
    n_init: int = 3
    n_init_slow: int = 1
    n_init_more: int = 10
    max_samples: int = 600
    size: str = "smoke"


LAPTOP = FrozenFeaturesConfig(
    datasets=DATASETS, n_seeds=6, n_init=10, n_init_slow=3, n_init_more=30, max_samples=10_000, size="laptop"
)


@dataclass(frozen=True, eq=False)
class Task:
    """Features to cluster. Your own are ``Task("mine", x, None, n_clusters)``: any array, labels or none.

    Attributes:
        name: of the data, in the rows.
        x: features, shape ``[n, d]``.
        y: labels, shape ``[n]``, by which results are judged; None where there are none.
        n_clusters: number of clusters to ask for.
    """

    name: str
    x: NDArray[Any]
    y: NDArray[Any] | None
    n_clusters: int


def load_task(
    name: str,
    *,
    max_samples: int,
    root: str | os.PathLike[str] | None = None,
    bbc_news: str | os.PathLike[str] | None = None,
) -> Task:
    """Features of a set by its name, all made in the same three steps.

    Rows of unit length; centred; projected on the 128 leading principal axes (all axes where there are fewer). Those of
    ``fashion_mnist_mobilenet_v2`` ship that way. The first two steps are steps of the data, not of a method: K-means
    gets the same features.

    Args:
        name: one of `DATASETS`.
        max_samples: where there are more, so many are drawn, always the same.
        root: data root, as for `paperlib.data.load`.
        bbc_news: the file that ``paperlib features bbc_news`` made.

    Returns:
        float32 features, labels, and the number of classes as number of clusters.

    Raises:
        ValueError: if there is no such name, or no file of BBC News is given.
        OSError: if data cannot be had.
    """
    if name not in DATASETS:
        raise ValueError(
            f"dataset {name!r} is unknown; choose one of {', '.join(DATASETS)}, or make a Task of your own"
        )
    if name == "bbc_news_minilm":
        if bbc_news is None:
            raise ValueError("bbc_news_minilm needs the file that `paperlib features bbc_news` makes: give bbc_news=")
        data = read_features(bbc_news, split="all")
    else:
        data = load(name, split="all" if name == "digits" else "train", root=root)
    return prepare(data, max_samples)


def prepare(data: Dataset, max_samples: int) -> Task:
    """Draw samples and, unless they ship that way, make rows of unit length, centred, on principal axes."""
    labels, n = labels_of(data), len(data)
    kept = torch.arange(n) if n <= max_samples else torch.from_numpy(np.random.default_rng(0).permutation(n))
    x, y = data.x[kept[:max_samples]].flatten(1).float(), labels[kept[:max_samples]].numpy()
    if data.name != "fashion_mnist_mobilenet_v2":
        x = normalize(x, dim=1)
        mean, axes, _ = principal_axes(x, min(N_COMPONENTS, x.shape[1]))
        x = (x - mean) @ axes.T
    drawn = f", {len(x)} drawn" if len(x) < n else ""
    return Task(f"{data.name}/{data.split}{drawn}", x.numpy(), y, len(np.unique(y)))


def table_cells(config: FrozenFeaturesConfig, tasks: list[Task]) -> Iterator[Cell]:
    """A cell for each set, method and seed, and the linear probe for each set and seed."""
    for task in tasks:
        cell = partial(Cell, "frozen features", task.name)
        starts = [(method, config.n_init_slow if method in SLOW else config.n_init) for method in config.methods]
        if config.n_init_more > config.n_init:
            starts += [(method, config.n_init_more) for method in config.methods if method in MORE]
        for method, n_init in starts:
            for seed in range(config.n_seeds):
                measure = partial(cluster, task, method, n_init=n_init, seed=seed)
                yield cell(f"{method}, {n_init} starts", config.size, seed, measure)
        for seed in range(config.n_seeds if task.y is not None else 0):
            yield cell(PROBE, config.size, seed, partial(probe, task, seed=seed))


def diagnosis_cells(config: FrozenFeaturesConfig, tasks: list[Task]) -> Iterator[Cell]:
    """For each labelled set: what K-means and mutual information make of the labels themselves, and of K-means."""
    for task in tasks:
        if task.y is None:
            continue
        cell = partial(Cell, "from the labels", task.name)
        for method, measure in (("k-means", kmeans_from), ("mutual_information", information_from)):
            yield cell(f"{method} from the labels", config.size, 0, partial(measure, task, task.y))
        for seed in range(config.n_seeds):
            measure = partial(information_from_kmeans, task, n_init=config.n_init, seed=seed)
            yield cell("mutual_information from k-means", config.size, seed, measure)


def cluster(task: Task, method: str, *, n_init: int, seed: int, **options: Any) -> Measurement:
    """Fit a method by its name with `OPTIONS` and ``options``; its loss, the clusters used, and the scores."""
    name, _, _ = method.partition(",")
    options = OPTIONS[method] | options
    if "share" in options:
        options["gamma"] = critical_gamma(torch.from_numpy(task.x), task.n_clusters) / options.pop("share")
    model = clusterer(name, task.n_clusters, n_init=n_init, seed=seed, **options)
    found = fit(model, task.x)
    measured = {"loss": found.loss, "clusters_used": metrics.clusters_used(found.model.labels_)}
    if hasattr(model, "start_losses_"):
        measured["start_loss_spread"] = float(np.nanstd(model.start_losses_))
    if task.y is not None:
        measured |= judge(task.y, model.labels_)
    return measured, found.circumstances


def probe(task: Task, *, seed: int) -> Measurement:
    """What labels would give: logistic regression trained on four fifths, judged on the fifth that is left out."""
    began = time.perf_counter()
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    predicted = cross_val_predict(LogisticRegression(C=10.0, max_iter=2000), task.x, task.y, cv=folds)
    return judge(task.y, predicted), circumstances(began)


def kmeans_from(task: Task, labels: ArrayLike) -> Measurement:
    """Squared distance to the class means a sample, and where Lloyd's algorithm goes from there."""
    began = time.perf_counter()
    labels = np.asarray(labels)
    means = np.stack([task.x[labels == label].mean(0) for label in np.unique(labels)])
    at_labels = float(np.square(task.x - means[np.unique(labels, return_inverse=True)[1]]).sum() / len(task.x))
    model = KMeans(len(means), init=means, n_init=1).fit(task.x)
    measured = {"loss_of_start": at_labels, "loss": model.inertia_ / len(task.x), **judge(task.y, model.labels_)}
    return measured, circumstances(began)


def information_from(task: Task, labels: ArrayLike) -> Measurement:
    """The mutual information loss of the linear softmax fitted *to* ``labels``, and where descent goes from there.

    The fit to the labels has the same penalty as the search, so both losses are those of models of the same class.
    """
    began = time.perf_counter()
    x = torch.from_numpy(np.asarray(task.x, dtype=np.float64))
    targets = one_hot(torch.from_numpy(np.unique(np.asarray(labels), return_inverse=True)[1]), task.n_clusters).to(x)
    model = fit_to_labels(x, targets, "cross_entropy", AUTO_GAMMA)
    gamma, objective = AUTO_GAMMA * critical_gamma(x, task.n_clusters), MutualInformation()
    with torch.no_grad():
        at_labels = float(objective(model(x)) + gamma * model.penalty())
    found = minimize_full_batch(model, objective, x, gamma=gamma)
    predicted = model(x).detach().argmax(1).numpy()
    return {"loss_of_start": at_labels, "loss": found.value, **judge(task.y, predicted)}, circumstances(began)


def information_from_kmeans(task: Task, *, n_init: int, seed: int) -> Measurement:
    """`information_from` the clusters of the K-means that is in the table."""
    model = clusterer("k-means", task.n_clusters, n_init=n_init, seed=seed).fit(task.x)
    return information_from(task, model.labels_)
