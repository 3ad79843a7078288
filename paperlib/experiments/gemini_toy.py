"""The toy experiments of GEMINI: three Gaussians and a Student-t, two moons, and free logits on blobs.

Source: Ohl et al., arXiv 2210.06300, and the authors' code, whose settings these are. Seeds train together, as one
ensemble; what a seed gives does not depend on the others, up to rounding.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

import torch
from sklearn.datasets import make_blobs
from torch import Tensor

from paperlib import metrics
from paperlib.data import Dataset, gaussians_and_student, scattered_moons
from paperlib.experiments.cells import Cell, Measurement
from paperlib.experiments.fits import circumstances, labels_of
from paperlib.kernels import graph_hops
from paperlib.losses import gemini
from paperlib.losses.gemini import OBJECTIVES
from paperlib.models import FreeLogits, TanhEnsemble
from paperlib.training import Gemini, minimize_mini_batch

PAPER = "ohl2022"
TABLE, MOONS, BLOBS = "Gaussians and Student-t", "two moons", "free logits"
TABLE_OBJECTIVES = tuple(name for name in OBJECTIVES if not name.startswith("chi2"))
MOONS_OBJECTIVES = ("kl_ova", "wasserstein_ovo")
BLOBS_OBJECTIVES = ("kl_ova", "mmd_ova")
BATCH = 100
LOG_FLOOR = math.log(1e-12)  # the authors clamp probabilities there
_ORDER = 2**32  # seeds of the samples' order are these, so that they are not those of the weights


@dataclass(frozen=True)
class GeminiToyConfig:
    """What is run; labels are used for the scores alone.

    Attributes:
        objectives: of the table.
        n_clusters: of the table, asked for where there are four.
        dfs: degrees of freedom of the Student-t.
        n_samples: of the table.
        n_epochs: of the table.
        moons_clusters: asked for where there are two.
        moons_epochs: passes over the 500 samples of the moons.
        n_seeds: seeds 0, 1, ...
        n_together: how many of them train as one ensemble.
        size: the name of this size in the rows.
    """

    objectives: tuple[str, ...] = ("kl_ova", "tv_ova", "mmd_ova", "mmd_ovo")
    n_clusters: tuple[int, ...] = (4, 8)
    dfs: tuple[float, ...] = (1,)
    n_samples: int = 2000
    n_epochs: int = 30
    moons_clusters: tuple[int, ...] = (2,)
    moons_epochs: int = 50
    n_seeds: int = 2
    n_together: int = 10
    size: str = "smoke"


# What results/gemini_toy.csv holds: `python -m paperlib.experiments.gemini_toy_run --out results/gemini_toy.csv`.
LAPTOP = GeminiToyConfig(
    objectives=TABLE_OBJECTIVES,
    dfs=(1, 2),
    n_samples=5000,
    n_epochs=100,
    moons_clusters=(2, 5),
    moons_epochs=200,
    n_seeds=20,
    size="laptop",
)


@dataclass(frozen=True, eq=False)
class EnsembleGemini:
    """Minus a GEMINI objective, summed over the members of an ensemble, each with an order of the samples of its own.

    Probabilities below the authors' 1e-12 count as that, without a gradient; else ``kl_ovo`` had no bound.

    Attributes:
        objective: one of the twelve.
        x: samples, shape ``[n, d]``; the features, where ``affinity`` is None.
        orders: which sample each member has at each place, shape ``[S, n]``.
        affinity: kernel or distances, shape ``[n, n]``.
        entropic: see :func:`paperlib.losses.gemini`.
    """

    objective: str
    x: Tensor
    orders: Tensor
    affinity: Tensor | None = None
    entropic: float | None = None

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """A scalar, for ``logits`` ``[S, b, k]`` of the samples at the places ``index`` ``[b]``."""
        return -self.values(logits, self.orders if index is None else self.orders[:, index]).sum()

    def values(self, logits: Tensor, samples: Tensor) -> Tensor:
        """The objective itself, for ``logits`` ``[..., b, k]`` of ``samples`` ``[..., b]``, shape ``[...]``."""
        logits = logits.log_softmax(-1).clamp_min(LOG_FLOOR)
        if not self.objective.startswith(("mmd", "wasserstein")):
            return gemini(logits, self.objective)
        if self.affinity is None:
            return gemini(logits, self.objective, features=self.x[samples], entropic=self.entropic)
        affinity = self.affinity[samples[..., :, None], samples[..., None, :]]
        return gemini(logits, self.objective, affinity=affinity, entropic=self.entropic)


def train(
    data: Dataset,
    objective: str,
    n_clusters: int,
    seeds: Sequence[int],
    *,
    hidden: Sequence[int],
    learning_rate: float,
    n_epochs: int,
    affinity: Tensor | None = None,
    entropic: float | None = None,
) -> tuple[TanhEnsemble, EnsembleGemini]:
    """Train a network for each seed, by Adam with a constant step size on batches of a hundred.

    Each has its own first weights and its own order of the samples, so that one random order an epoch serves all.

    Args:
        data: samples ``[n, d]``; labels are not looked at.
        objective: one of the twelve.
        n_clusters: k.
        seeds: one for each network.
        hidden: widths of the hidden layers.
        learning_rate: Adam's.
        n_epochs: passes over the data.
        affinity: see `EnsembleGemini`.
        entropic: see `EnsembleGemini`.

    Returns:
        The networks and what they minimised: in float64 for Wasserstein objectives, in float32 for the others.
    """
    x = data.x.to(torch.float64 if objective.startswith("wasserstein") else torch.float32)
    orders = [torch.randperm(len(x), generator=torch.Generator().manual_seed(_ORDER + seed)) for seed in seeds]
    target = EnsembleGemini(objective, x, torch.stack(orders), None if affinity is None else affinity.to(x), entropic)
    networks = TanhEnsemble(x.shape[1], n_clusters, seeds=seeds, hidden=hidden).to(x)
    minimize_mini_batch(
        networks,
        target,
        x[target.orders].transpose(0, 1),
        batch_size=BATCH,
        max_iter=n_epochs,
        learning_rate=learning_rate,
        schedule="constant",
        generator=torch.Generator().manual_seed(0),
    )
    return networks, target


@torch.no_grad()
def judge(networks: TanhEnsemble, target: EnsembleGemini, truth: Tensor) -> list[dict[str, float]]:
    """For each network: scores and clusters used on all samples, and the objective as a mean over batches of them."""
    logits = networks(target.x.unsqueeze(1))  # [S, n, k]
    n_batches = len(target.x) // BATCH
    batches = target.orders[:, : n_batches * BATCH].unflatten(1, (n_batches, BATCH))
    values = target.values(logits[torch.arange(len(logits))[:, None, None], batches], batches).mean(1)
    return [_scores(truth, *member) for member in zip(logits.argmax(2), values, strict=True)]


def table_cells(config: GeminiToyConfig) -> Iterator[Cell]:
    """A cell for each objective, number of clusters, degrees of freedom and seed; the dearest come last."""
    rows = [(objective, k) for objective in config.objectives for k in config.n_clusters]
    for objective, k in sorted(rows, key=lambda row: (row[0].startswith("wasserstein"), row[1])):
        for df in config.dfs:
            data = gaussians_and_student(config.n_samples, df=df)
            fit = partial(train, data, objective, k, hidden=(20, 20), learning_rate=1e-3, n_epochs=config.n_epochs)
            yield from _cells(config, TABLE, f"{data.name}, df {df:g}", f"{objective}, K={k}", fit, labels_of(data))


def moons_cells(config: GeminiToyConfig) -> Iterator[Cell]:
    """Mutual information, and the Wasserstein objective whose distance is the hops from neighbour to neighbour."""
    data = scattered_moons()
    for objective in MOONS_OBJECTIVES:
        hops = graph_hops(data.x) if objective.startswith("wasserstein") else None
        for k in config.moons_clusters:
            fit = partial(
                train, data, objective, k, hidden=(10,), learning_rate=1e-2, n_epochs=config.moons_epochs, affinity=hops
            )
            yield from _cells(config, MOONS, data.name, f"{objective}, K={k}", fit, labels_of(data))


def blobs_cells(config: GeminiToyConfig) -> Iterator[Cell]:
    """Three blobs of a hundred samples, each with logits of its own that nothing but the objective restrains."""
    for objective in BLOBS_OBJECTIVES:
        for seed in range(config.n_seeds):
            measure = partial(_measure_blobs, objective, seed)
            yield Cell(BLOBS, "three blobs", f"{objective}, K=3", config.size, seed, measure, PAPER)


def free_logits(x: Tensor, objective: str, n_clusters: int, seed: int, *, n_steps: int = 1000) -> Tensor:
    """Logits ``[n, k]`` of the samples ``x`` ``[n, d]`` after full-batch steps of Adam from standard normal ones."""
    model = FreeLogits(len(x), n_clusters, generator=torch.Generator().manual_seed(seed)).to(x)
    target = Gemini(objective, features=x if objective.startswith("mmd") else None)
    places = torch.arange(len(x))
    minimize_mini_batch(
        model, target, places, batch_size=len(x), max_iter=n_steps, learning_rate=1e-2, schedule="constant"
    )
    return model(places).detach()


def three_blobs() -> tuple[Tensor, Tensor]:
    """The samples ``[100, 2]`` and labels ``[100]`` of the experiment with free logits."""
    x, y, *_ = make_blobs(100, centers=3, cluster_std=0.5, random_state=0)
    return torch.from_numpy(x).float(), torch.from_numpy(y)


def _measure_blobs(objective: str, seed: int) -> Measurement:
    began = time.perf_counter()
    x, y = three_blobs()
    logits = free_logits(x, objective, 3, seed)
    value = gemini(logits, objective, features=x if objective.startswith("mmd") else None)
    return _scores(y, logits.argmax(1), value), circumstances(began)


def _scores(truth: Tensor, labels: Tensor, value: Tensor) -> dict[str, float]:
    return {
        "ari": metrics.adjusted_rand_index(truth, labels),
        "many_to_one_accuracy": metrics.many_to_one_accuracy(truth, labels),
        "clusters_used": metrics.clusters_used(labels),
        "objective": float(value),
    }


Fit = Callable[[Sequence[int]], tuple[TanhEnsemble, EnsembleGemini]]


def _cells(config: GeminiToyConfig, table: str, dataset: str, method: str, fit: Fit, truth: Tensor) -> Iterator[Cell]:
    """A cell for each seed; seeds that train together are trained when the first of them is measured."""
    for first in range(0, config.n_seeds, config.n_together):
        seeds = range(first, min(first + config.n_together, config.n_seeds))
        measured = cache(partial(_measure, fit, seeds, truth))
        for member, seed in enumerate(seeds):
            yield Cell(table, dataset, method, config.size, seed, partial(_one, measured, member), PAPER)


def _measure(fit: Fit, seeds: Sequence[int], truth: Tensor) -> list[Measurement]:
    """What the rows of each seed say; the time of the ensemble is shared out among its seeds."""
    began = time.perf_counter()
    scores = judge(*fit(seeds), truth)
    made = circumstances(began)
    return [(its, made | {"seconds": made["seconds"] / len(seeds)}) for its in scores]


def _one(measured: Callable[[], list[Measurement]], member: int) -> Measurement:
    return measured()[member]
