"""The tables of deep self-labelling, in three sizes: which runs they consist of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from paperlib.experiments import deep_kmeans
from paperlib.experiments.cells import Cell
from paperlib.experiments.deep_kmeans import DeepKMeansConfig
from paperlib.experiments.deep_self_labeling import (
    METHODS,
    DeepConfig,
    ImageSplits,
    Method,
    measure,
    measure_starts,
)

END_TO_END, OTHERS_TOO, SCRATCH, STARTS, VGG = "end to end", "other methods", "from scratch", "starts", "VGG4"
AUTOENCODER, PIXELS = "autoencoder", "pixels"
PAPER = "zhang2023entropy"
SEEDS = {"smoke": 1, "laptop": 3, "paper": 6}
# In float32: torch's backward pass of a 5 x 5 convolution on maps of one pixel, VGG4's last on 8 x 8 images, leaves
# entries of the weight's gradient unset in bfloat16 on CPUs.
_SMOKE = {
    "precision": "float32",
    "n_starts": 2,
    "start_epochs": 0.5,
    "agreement_epochs": 0.5,
    "epochs": 0.5,
    "size": "smoke",
}
_PAPER = {"epochs": 50.0, "size": "paper"}
SIZES: dict[str, dict[str, Any]] = {"smoke": _SMOKE, "laptop": {}, "paper": _PAPER}
AUTOENCODER_SIZES: dict[str, dict[str, Any]] = {
    "smoke": {"pretraining": 1.0, "epochs": 1.0, "size": "smoke"},
    "laptop": {"pretraining": 4.0, "epochs": 4.0},
    "paper": {"pretraining": 4000.0, "epochs": 500.0, "size": "paper"},
}
COUPLINGS: tuple[Method, ...] = ("reverse_cross_entropy", "cross_entropy", "collision_cross_entropy")
OTHERS: tuple[Method, ...] = ("iic", "mi_adm", "sela")


def end_to_end(size: str) -> Iterator[DeepConfig]:
    """Mutual information and the couplings from one start, with one network and one kind of views."""
    for method in ("mutual_information", *COUPLINGS):
        yield DeepConfig(method, **SIZES[size])


def others(size: str) -> Iterator[DeepConfig]:
    """The same for other methods, and for mutual information at weight 2."""
    for method in OTHERS:
        yield DeepConfig(method, **SIZES[size])
    yield DeepConfig(fairness_weight=2.0, **SIZES[size])


def from_scratch(size: str) -> Iterator[DeepConfig]:
    """Pseudo-labels from the first step on, at three fairness weights, beside mutual information."""
    settings = {**SIZES[size], "n_starts": 0}
    if size == "laptop":
        settings["epochs"] = 1.0
    yield DeepConfig(**settings)
    for weight, method in product((1.0, 10.0, 100.0), COUPLINGS):
        yield DeepConfig(method, fairness_weight=weight, **settings)


def vgg4(size: str) -> Iterator[DeepConfig]:
    """The network of the paper; at its size with every method."""
    settings = {**SIZES[size], "learning_rate": 1e-3}
    if size == "laptop":
        settings |= {"n_starts": 0, "epochs": 2.0}
    for method in METHODS if size == "paper" else METHODS[:1]:
        yield DeepConfig(method, "vgg4", fairness_weight=4.0 if method == "imsat" else 1.0, **settings)


TABLES = {END_TO_END: end_to_end, OTHERS_TOO: others, SCRATCH: from_scratch, VGG: vgg4}
PARTS = (*TABLES, AUTOENCODER, PIXELS)


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
        table: one of `PARTS`.
        task: the images.
        size: ``"smoke"``, ``"laptop"`` or ``"paper"``.
        n_seeds: by default that of the size.
        device: torch device.
        checkpoints: folder for the runs' checkpoints, where starts are found again; None for none.
    """
    for seed in range(SEEDS[size] if n_seeds is None else n_seeds):
        if table == PIXELS:
            pixels = partial(deep_kmeans.measure_pixels, task, seed)
            yield Cell(table, task.name, "k-means, pixels", size, seed, pixels)
            continue
        if table == AUTOENCODER:
            kmeans = DeepKMeansConfig(task.n_classes, device=device, **AUTOENCODER_SIZES[size])
            measured = partial(deep_kmeans.measure, kmeans, task, seed, folder=checkpoints)
            yield Cell(table, task.name, kmeans.name, size, seed, measured, "jabi2021")
            continue
        for config in TABLES[table](size):
            run = partial(
                measure, replace(config, device=device, n_clusters=task.n_classes), task, seed, folder=checkpoints
            )
            yield Cell(table, task.name, config.name, size, seed, run, PAPER)
        if table == END_TO_END:
            config = DeepConfig(device=device, n_clusters=task.n_classes, **SIZES[size])
            run = partial(measure_starts, config, task, seed, folder=checkpoints)
            yield Cell(STARTS, task.name, config.start_name, size, seed, run)
