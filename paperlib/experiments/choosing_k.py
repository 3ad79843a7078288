"""How many clusters? Rules that need no labels, on problems whose number is known, for several objectives.

A cell is a problem, an objective with a model, and a seed, which draws the data, the starts, the thirds and the
references. It fits with more and more clusters and writes what each rule of `paperlib.experiments.choosing_k_rules`
says. All data are centred and scaled to a total variance of one.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture
from torch.nn.functional import one_hot

from paperlib import metrics
from paperlib.estimators import EntropyClustering, GeminiClustering
from paperlib.estimators.entropy_clustering import AUTO_GAMMA
from paperlib.experiments import choosing_k_rules as rules
from paperlib.experiments.cells import Cell, Measurement
from paperlib.experiments.choosing_k_problems import PROBLEMS, Problem, standardise, without_clusters
from paperlib.experiments.fits import circumstances
from paperlib.losses import gemini
from paperlib.models import critical_gamma

TABLE = "number of clusters"
OBJECTIVES = ("kl_ova", "tv_ova", "hellinger_ova", "mmd_ova", "mmd_ovo")
PENALISED = "kl_ova, linear, penalised"
TRANSPORT = "wasserstein_ova, linear"
BASELINES = ("k-means", "Gaussian mixture")
LINEAR = tuple(f"{objective}, linear" for objective in OBJECTIVES)
# Asked by every rule but the gap; the others for the number that emerges and for the score at the true number alone.
EVERY_RULE = (*LINEAR, PENALISED)
WITH_REFERENCES = ("kl_ova, linear", "mmd_ova, linear", "mmd_ovo, linear")
METHODS = (*EVERY_RULE, *(f"{objective}, mlp" for objective in OBJECTIVES), TRANSPORT, *BASELINES)


@dataclass(frozen=True)
class ChoosingKConfig:
    """What is run.

    Attributes:
        problems: names out of `PROBLEMS`.
        methods: names out of `METHODS`.
        n_seeds: seeds 0, 1, ...
        n_init: starts of every fit; the best objective wins.
        n_references: samples without clusters for the gap.
        size: the name of this size in the rows.
    """

    problems: tuple[str, ...] = ("blobs 3, d 2, clear", "one Gaussian, d 2")
    methods: tuple[str, ...] = ("mmd_ova, linear", "k-means")
    n_seeds: int = 1
    n_init: int = 2
    n_references: int = 2
    size: str = "smoke"


LAPTOP = ChoosingKConfig(problems=tuple(PROBLEMS), methods=METHODS, n_seeds=5, n_init=3, n_references=3, size="laptop")


@dataclass(frozen=True, eq=False)
class Fit:
    """Objective (maximised) and labels; ``model`` predicts, or is None where all is one cluster."""

    value: float
    labels: NDArray[np.integer]
    model: Any = None

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.integer]:
        """Clusters of other samples."""
        return np.zeros(len(x), dtype=int) if self.model is None else self.model.predict(x)


def fit(
    x: NDArray[np.float64],
    n_clusters: int,
    method: str = "mmd_ovo, linear",
    *,
    n_init: int = 3,
    seed: int = 0,
    price: float = 0.0,
) -> Fit:
    """Fit by a method out of `METHODS` but the baselines; ``price`` is the penalised one's gamma."""
    if n_clusters == 1:
        return Fit(0.0, np.zeros(len(x), dtype=int))
    common: dict[str, Any] = {"n_init": n_init, "random_state": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if method == PENALISED:
            penalised = EntropyClustering(n_clusters, gamma=price, **common).fit(x)
            return Fit(np.log(n_clusters) - penalised.loss_, penalised.labels_, penalised)
        objective, model = method.split(", ")
        if method == TRANSPORT:
            common |= {"batch_size": 100, "max_iter": 20, "n_init": 1}  # a transport for each cluster in every step
        found = GeminiClustering(n_clusters, objective=objective, model=model, **common).fit(x)
    return Fit(found.objective_, found.labels_, found)


def agreement(x: NDArray[np.float64], refit: Callable[..., Fit], numbers: Sequence[int], seed: int) -> list[float]:
    """Adjusted Rand index of what fits to two thirds of the data predict on the other third, averaged, a number each.

    ``refit`` takes samples and a number of clusters. Fits are three for each number: one a third.
    """
    thirds = np.array_split(np.random.default_rng(seed).permutation(len(x)), 3)
    found = []
    for k in numbers:
        models = [refit(x[third], k) for third in thirds]
        pairs = [(models[i - 1], models[i - 2], x[third]) for i, third in enumerate(thirds)]
        scores = [metrics.adjusted_rand_index(a.predict(held), b.predict(held)) for a, b, held in pairs]
        found.append(float(np.mean(scores)))
    return found


def measure(problem: Problem, method: str, config: ChoosingKConfig, seed: int) -> Measurement:
    """What each rule says; no rule looks at labels.

    ``ari`` is that of the fit with the true number, ``ari of emerging`` that of the fit with the largest number.
    """
    began = time.perf_counter()
    x, y = problem.draw(seed)
    x = standardise(x)
    if method in BASELINES:
        return _baseline(x, method, problem.numbers, config, seed), circumstances(began)
    numbers = problem.numbers if method in EVERY_RULE else tuple({1: 0, problem.n_clusters: 0, problem.numbers[-1]: 0})
    price = AUTO_GAMMA * critical_gamma(torch.from_numpy(x), numbers[-1])
    refit = partial(fit, method=method, price=price, n_init=config.n_init, seed=seed)
    fits = [refit(x, k) for k in numbers]
    values, used = [one.value for one in fits], [metrics.clusters_used(one.labels) for one in fits]
    true, most = (metrics.adjusted_rand_index(y, fits[i].labels) for i in (numbers.index(problem.n_clusters), -1))
    measured: dict[str, float] = {"emerging": used[-1], "ari": true, "ari of emerging": most}
    if method not in EVERY_RULE:
        return measured, circumstances(began)
    objective = method.split(", ")[0]
    places = {
        "largest": rules.largest(values),
        "elbow": rules.elbow(numbers, values),
        "saturated": rules.saturated(values),
        "consensus": rules.consensus([one.labels for one in fits]),
    }
    if objective in rules.BOUNDS and method != PENALISED:
        places["normalised"] = rules.normalised(numbers, values, objective)
    same = agreement(x, refit, numbers, seed)
    places |= {"stable": rules.stable(same), "most stable": rules.most_stable(same)}
    if method in WITH_REFERENCES:
        null = [standardise(without_clusters(x, 1000 * seed + b)) for b in range(config.n_references)]
        references = [[refit(each, k).value for k in numbers] for each in null]
        places |= {"gap": rules.gap(values, references), "largest gap": rules.largest_gap(values, references)}
    measured |= {rule: used[place] for rule, place in places.items()}
    if method in LINEAR:
        measured |= {"objective": values[-1], "objective of k-means": _of_kmeans(x, objective, numbers[-1], seed)}
    return measured, circumstances(began)


def _of_kmeans(x: NDArray[np.float64], objective: str, n_clusters: int, seed: int) -> float:
    """The objective of the partition by K-means, which a linear softmax reaches as its weights grow."""
    labels = torch.from_numpy(KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(x)).long()
    hard = 1e4 * one_hot(labels, n_clusters).double()
    return float(gemini(hard, objective, features=torch.from_numpy(x) if objective.startswith("mmd") else None))


def _baseline(
    x: NDArray[np.float64], method: str, numbers: Sequence[int], config: ChoosingKConfig, seed: int
) -> dict[str, float]:
    """K-means by its silhouette and by the gap of its scatter; a mixture of diagonal Gaussians by BIC."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if method == "Gaussian mixture":
            options: dict[str, Any] = {"covariance_type": "diag", "n_init": config.n_init, "random_state": seed}
            bic = [GaussianMixture(k, **options).fit(x).bic(x) for k in numbers]
            return {"BIC": numbers[int(np.argmin(bic))]}

        def kmeans(data: NDArray[np.float64], k: int) -> KMeans:
            return KMeans(k, n_init=config.n_init, random_state=seed).fit(data)

        fits = [kmeans(x, k) for k in numbers]
        silhouettes = [silhouette_score(x, one.labels_) for one in fits[1:]]
        null = [standardise(without_clusters(x, 1000 * seed + b)) for b in range(config.n_references)]
        references = [[-np.log(kmeans(each, k).inertia_) for k in numbers] for each in null]
        tight = [-np.log(one.inertia_) for one in fits]
    places = {
        "silhouette": 1 + int(np.argmax(silhouettes)),
        "gap": rules.gap(tight, references),
        "largest gap": rules.largest_gap(tight, references),
    }
    return {rule: numbers[place] for rule, place in places.items()}


def cells(config: ChoosingKConfig) -> Iterator[Cell]:
    """A cell for each problem, method and seed."""
    for seed in range(config.n_seeds):
        for method in config.methods:
            for name in config.problems:
                run = partial(measure, PROBLEMS[name], method, config, seed)
                yield Cell(TABLE, name, method, config.size, seed, run, "ohl2022")
