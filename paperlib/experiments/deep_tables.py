"""The tables of deep self-labelling, in three sizes: which runs they consist of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

from paperlib.experiments.cells import Cell
from paperlib.experiments.deep_self_labeling import METHODS, DeepConfig, ImageSplits, Method, measure

END_TO_END, SCRATCH, VGG = "end to end", "from scratch", "VGG4"
PAPER = "zhang2023entropy"
EPOCHS = {"smoke": 1.0, "laptop": 8.0, "paper": 50.0}
SEEDS = {"smoke": 1, "laptop": 3, "paper": 6}
# In this order, so that a run that is stopped has the first ones.
COMPARED: tuple[Method, ...] = (
    "mutual_information",
    "reverse_cross_entropy",
    "cross_entropy",
    "collision_cross_entropy",
    "iic",
    "mi_adm",
    "sela",
)


def end_to_end(size: str) -> Iterator[DeepConfig]:
    """Every coupling with one network, one kind of views and one warm start; and mutual information at weight 2."""
    for method in COMPARED:
        yield DeepConfig(method, epochs=EPOCHS[size], warm_epochs=EPOCHS[size] / 8, size=size)
    yield DeepConfig(fairness_weight=2.0, epochs=EPOCHS[size], size=size)


def from_scratch(size: str) -> Iterator[DeepConfig]:
    """Pseudo-labels from the first step on, at three fairness weights."""
    epochs = 2.0 if size == "laptop" else EPOCHS[size]
    couplings: tuple[Method, ...] = ("reverse_cross_entropy", "collision_cross_entropy")
    for weight, method in product((1.0, 10.0, 100.0), couplings):
        yield DeepConfig(method, fairness_weight=weight, warm_epochs=0.0, epochs=epochs, size=size)


def vgg4(size: str) -> Iterator[DeepConfig]:
    """The network of the paper; at its size with every method."""
    methods: tuple[Method, ...] = METHODS if size == "paper" else COMPARED[:2]
    epochs = 4.0 if size == "laptop" else EPOCHS[size]
    for method in methods:
        yield DeepConfig(method, "vgg4", epochs=epochs, warm_epochs=epochs / 8, learning_rate=1e-3, size=size)


TABLES = {END_TO_END: end_to_end, SCRATCH: from_scratch, VGG: vgg4}


def cells(
    table: str,
    task: ImageSplits,
    size: str,
    *,
    n_seeds: int | None = None,
    device: str | None = None,
    checkpoints: Path | None = None,
) -> Iterator[Cell]:
    """The runs of a table, seed by seed.

    Args:
        table: a key of `TABLES`.
        task: the images.
        size: ``"smoke"``, ``"laptop"`` or ``"paper"``.
        n_seeds: by default that of the size.
        device: torch device.
        checkpoints: folder in which each run has a folder of its own; None for none.
    """
    for seed in range(SEEDS[size] if n_seeds is None else n_seeds):
        for config in TABLES[table](size):
            name = f"{table}, {task.name}, {config.name}, {seed}".replace("/", "-").replace(" ", "_")
            folder = None if checkpoints is None else checkpoints / name
            run = partial(measure, replace(config, device=device), task, seed, folder=folder)
            yield Cell(table, task.name, config.name, size, seed, run, PAPER)
