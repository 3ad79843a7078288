"""The tables of contrastive clustering, in three sizes: which runs they consist of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from paperlib.data import Dataset
from paperlib.experiments.cells import Cell
from paperlib.experiments.contrastive import (
    ContrastiveConfig,
    first_steps,
    measure,
    measure_second_stage,
    measure_two_stages,
    published,
)
from paperlib.experiments.fits import labels_of
from paperlib.experiments.image_splits import ImageSplits, skewed
from paperlib.losses.contrastive import CRITICS

PAPER = "do2021"
MAIN, ABLATIONS, CRITIC, SKEWED, FIRST_STEPS = "contrastive", "ablations", "critics", "skewed", "first steps"
TWO_STAGES = "two stages"
RATIO = 10.0
SEEDS = {"smoke": 1, "laptop": 3, "paper": 3}
_SMALL: dict[str, dict[str, Any]] = {
    "smoke": {"precision": "float32", "n_heads": 2, "n_hidden": 32, "epochs": 1.0, "batch_size": 128, "size": "smoke"},
    "laptop": {},
}


def config(size: str, **options: Any) -> ContrastiveConfig:
    """The configuration of a size, with other settings."""
    return published(**options) if size == "paper" else ContrastiveConfig(**_SMALL[size] | options)


def main_runs(size: str) -> Iterator[ContrastiveConfig]:
    """The published loss."""
    yield config(size)


def ablations(size: str) -> Iterator[ContrastiveConfig]:
    """Each term left out or changed, one at a time."""
    yield config(size, feature_weight=0.0)
    yield config(size, feature_weight=1.0)
    yield config(size, entropy_weight=0.0)
    yield config(size, entropy_weight=2.0)
    yield config(size, entropy_of="samples")
    yield config(size, cluster_weight=0.0)


def critics(size: str) -> Iterator[ContrastiveConfig]:
    """The other critics, and the corrected one without the entropy term."""
    for critic in CRITICS[1:]:
        yield config(size, critic=critic)
    yield config(size, critic="log_dot_prior", entropy_weight=0.0)


def on_skewed(size: str) -> Iterator[ContrastiveConfig]:
    """Both log-dot critics on classes of unequal size, with and without the other two terms."""
    epochs = {"epochs": 8.0} if size == "laptop" else {}
    for features, entropy, critic in product((10.0, 0.0), (1.0, 0.0), CRITICS[:2]):
        yield config(size, critic=critic, entropy_weight=entropy, feature_weight=features, **epochs)


TABLES = {MAIN: main_runs, ABLATIONS: ablations, CRITIC: critics, SKEWED: on_skewed}
SECOND_STAGES = ("k-means", "crlc", "crlc_prior", "scan", "temi")
PARTS = {name.replace(" ", "_"): name for name in (*TABLES, TWO_STAGES)}


def cells(
    table: str,
    task: ImageSplits,
    size: str,
    seed: int = 0,
    *,
    device: str | None = None,
    checkpoints: Path | None = None,
) -> Iterator[Cell]:
    """The runs of a table for one seed.

    Args:
        table: one of the values of `PARTS`.
        task: the images.
        size: ``"smoke"``, ``"laptop"`` or ``"paper"``.
        seed: of the runs.
        device: torch device.
        checkpoints: folder for the runs' checkpoints; None for none.
    """
    task = skewed(task, RATIO) if table == SKEWED else task
    given: dict[str, Any] = {"device": device, "n_clusters": task.n_classes}
    if table == TWO_STAGES:
        first = replace(config(size), **given)
        for objective in SECOND_STAGES:
            run = partial(measure_two_stages, first, objective, task, seed, folder=checkpoints)
            name = f"two stages, {objective}, {first.epochs:g} epochs"
            yield Cell(table, task.name, name, size, seed, run, PAPER)
        return
    for one in TABLES[table](size):
        run = partial(measure, replace(one, **given), task, seed, folder=checkpoints)
        yield Cell(table, task.name, one.name, size, seed, run, PAPER)


def second_stage_cells(data: Dataset, seed: int, *, device: str | None = None) -> Iterator[Cell]:
    """The second stage alone, on features ``[n, d]`` with labels, such as those of `paperlib features`."""
    n_clusters = len(labels_of(data).unique())
    for objective in SECOND_STAGES:
        run = partial(measure_second_stage, objective, data, data, seed, n_clusters=n_clusters, device=device)
        yield Cell(TWO_STAGES, f"{data.name}/features", f"second stage, {objective}", "paper", seed, run, PAPER)


def first_steps_cell(folder: Path, *, device: str | None = None, micro_batch: int | None = 64) -> Cell:
    """Two steps of the published configuration on synthetic images; ``folder`` is for their checkpoints."""
    one = published(device=device, micro_batch=micro_batch)
    run = partial(first_steps, one, folder)
    return Cell(
        FIRST_STEPS, "synthetic cifar10, random bytes", f"{one.name}, micro-batch {micro_batch}", "paper", 0, run
    )
