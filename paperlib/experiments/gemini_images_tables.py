"""The tables of GEMINI on images, in three sizes: which runs they consist of.

Source: Ohl et al., arXiv 2210.06300, and the settings in the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product

from paperlib.experiments.cells import Cell
from paperlib.experiments.gemini_images import (
    GEOMETRIC,
    GEOMETRIES,
    MODELS,
    GeminiImagesConfig,
    ModelName,
    first_steps,
    kmeans,
    measure,
)
from paperlib.experiments.gemini_images_data import ImageTask
from paperlib.experiments.gemini_toy import PAPER, TABLE_OBJECTIVES

MNIST, GEOMETRY, CIFAR10 = "MNIST", "geometry of features", "CIFAR10"
START = "MNIST, first steps"
SOME_OBJECTIVES = ("kl_ova", "tv_ova", "hellinger_ova", "mmd_ova", "mmd_ovo", "wasserstein_ova")
SOME_WITH_15_CLUSTERS = ("kl_ova", "tv_ova", "mmd_ova")
# What virtual adversarial training weighs in the authors' table of MNIST; 1 beside every divergence.
VAT_WEIGHTS: dict[tuple[ModelName, str], float] = {
    ("mlp", "mmd_ova"): 20.0,
    ("mlp", "mmd_ovo"): 50.0,
    ("lenet5", "mmd_ova"): 10.0,
    ("lenet5", "mmd_ovo"): 5.0,
    **{(model, f"wasserstein_{kind}"): 10.0 for model in MODELS for kind in ("ova", "ovo")},
}
EPOCHS = {"smoke": 1, "laptop": 4, "paper": 500}  # on MNIST
SEEDS = {"smoke": 1, "laptop": 3, "paper": 1}


def mnist_configs(size: str) -> Iterator[GeminiImagesConfig]:
    """Ten clusters and fifteen, both networks, with and without virtual adversarial training; the dearest runs last.

    Below the paper's size it is fewer objectives, and fifteen clusters for three of them and the perceptron alone.
    """
    if size == "paper":
        runs = list(product(MODELS, (10, 15), TABLE_OBJECTIVES))
    else:
        runs = [*product(MODELS, (10,), SOME_OBJECTIVES), *product(MODELS[:1], (15,), SOME_WITH_15_CLUSTERS)]
    for model, k, objective in sorted(runs, key=lambda run: run[2].startswith("wasserstein")):
        for weight in (0.0, VAT_WEIGHTS.get((model, objective), 1.0)):
            yield GeminiImagesConfig(model, objective, k, weight, epochs=EPOCHS[size], size=size)


def geometry_configs(size: str) -> Iterator[GeminiImagesConfig]:
    """LeNet-5 with the geometry of pixels and with that of features, on a tenth of the images: ten times the epochs."""
    base = GeminiImagesConfig("lenet5", "kl_ova", squared=False, epochs=10 * EPOCHS[size], size=size)
    yield base
    for objective, geometry in product(("mmd_ova", "mmd_ovo", "wasserstein_ova"), GEOMETRIES):
        yield replace(base, objective=objective, geometry=geometry)


def cifar10_configs(size: str) -> Iterator[GeminiImagesConfig]:
    """LeNet-5 on images in colour, the authors' settings for CIFAR10; in other sizes, one epoch."""
    epochs = 200 if size == "paper" else 1
    base = GeminiImagesConfig("lenet5", "kl_ova", squared=False, epochs=epochs, batch_size=500, size=size)
    yield base
    yield replace(base, vat_weight=1.0, radius=0.1)
    for objective, geometry in product(GEOMETRIC, GEOMETRIES):
        yield replace(base, objective=objective, geometry=geometry)


TABLES = {MNIST: mnist_configs, GEOMETRY: geometry_configs, CIFAR10: cifar10_configs}


def cells(
    table: str, task: ImageTask, size: str, *, n_seeds: int | None = None, device: str | None = None
) -> Iterator[Cell]:
    """The runs of a table, seed by seed, with K-means beside them on the same geometries.

    On MNIST, those with virtual adversarial training are also followed over their first steps.

    Args:
        table: `MNIST`, `GEOMETRY` or `CIFAR10`.
        task: the images.
        size: ``"smoke"``, ``"laptop"`` or ``"paper"``.
        n_seeds: by default that of the size. Below the paper's size, Wasserstein objectives have one.
        device: torch device.
    """
    for seed in range(SEEDS[size] if n_seeds is None else n_seeds):
        for geometry in GEOMETRIES if task.train.features is not None else GEOMETRIES[:1]:
            reference = partial(kmeans, task, geometry, seed)
            yield Cell(table, task.name, f"k-means, K=10, {geometry}", size, seed, reference, PAPER)
        for config in TABLES[table](size):
            if seed == 0 or size == "paper" or not config.objective.startswith("wasserstein"):
                run = partial(measure, replace(config, device=device), task, seed)
                yield Cell(table, task.name, config.method, size, seed, run, PAPER)
                if table == MNIST and config.vat_weight:
                    start = partial(first_steps, replace(config, device=device), task, seed)
                    yield Cell(START, task.name, config.method, size, seed, start, PAPER)
