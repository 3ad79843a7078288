"""Deep self-labelling: a network and its softmax trained together from pixels, without labels, one method at a time.

Source: Zhang and Boykov, arXiv 2301.11405 and 2303.07321, whose second table has VGG4 end to end; the recipe is ours.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import nn

from paperlib import metrics
from paperlib.data import Dataset
from paperlib.experiments.cells import Measurement, checkpoints_of
from paperlib.experiments.deep_config import METHODS, DeepConfig, Method, NetworkName
from paperlib.experiments.deep_network import as_seen, augmentation, network, predictions, views
from paperlib.experiments.deep_starts import Agreement, agreed_start, train_start
from paperlib.experiments.fits import circumstances, judge, labels_of
from paperlib.experiments.image_splits import ImageSplits, load_splits
from paperlib.pseudo_labels import AlternatingDirection, ExpectationMaximization, Sinkhorn
from paperlib.training import (
    Gemini,
    InvariantInformation,
    MutualInformation,
    Objective,
    SelfLabeling,
    TrainedRun,
    Views,
    WholeSetLabels,
    imsat,
    train,
)

__all__ = [
    "METHODS",
    "Agreement",
    "DeepConfig",
    "DeepFit",
    "ImageSplits",
    "Method",
    "NetworkName",
    "agreed_start",
    "augmentation",
    "fit",
    "labels_of_batch",
    "load_splits",
    "measure",
    "measure_starts",
    "network",
    "objective",
    "predictions",
    "train_start",
    "views",
]


def objective(config: DeepConfig, model: nn.Module, data: Dataset) -> Objective:
    """What is minimised."""
    weight = config.fairness_weight
    if config.method == "mutual_information":
        return MutualInformation(weight)
    if config.method == "iic":
        return InvariantInformation(weight)
    if config.method == "gemini_mmd_ovo":
        return Gemini("mmd_ovo", features=Views(data.x).samples(slice(None)).flatten(1))
    if config.method == "imsat":
        x = Views(as_seen(data.x, config, data)).samples(slice(None))
        return imsat(model, x, marginal_weight=weight)
    if config.method == "sela":
        return WholeSetLabels(Sinkhorn(), refresh_every=max(1, len(data) // config.batch_size // 2))
    if config.method == "mi_adm":
        return SelfLabeling(AlternatingDirection(fairness_weight=weight))
    if config.method == "cross_entropy":
        return replace(labels_of_batch("reverse_cross_entropy", weight), divergence="cross_entropy")
    return labels_of_batch(config.method, weight)


def labels_of_batch(
    divergence: Literal["reverse_cross_entropy", "collision_cross_entropy"], fairness_weight: float
) -> SelfLabeling:
    """Pseudo-labels solved for at every batch, as exactly as a step of training needs."""
    solver = ExpectationMaximization(fairness_weight, divergence=divergence, tolerance=1e-2, max_iterations=50)
    return SelfLabeling(solver)


class DeepFit(NamedTuple):
    """A trained network in evaluation mode, the history of its last run, and the time of all steps, starts included."""

    model: nn.Module
    run: TrainedRun
    seconds: float


def fit(
    config: DeepConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None, progress: bool = False
) -> DeepFit:
    """Train on the images of ``task.train``; its labels are not looked at.

    Args:
        config: what is run.
        task: the images.
        seed: of first weights, order and views.
        folder: of the checkpoints, see `train`; what comes before the method is found there by every method.
        progress: whether to draw progress bars.
    """
    seconds = 0.0
    if config.n_starts:
        model, _, _, seconds = agreed_start(config, task, seed, folder=folder, progress=progress)
    else:
        model = network(config, task.train, torch.Generator().manual_seed(1000 * seed))
    run = train(
        model,
        objective(config, model, task.train),
        views(config, task.train),
        config.training(1000 * seed + 999),
        folder=checkpoints_of(folder, f"{config.name}-{task.name}-{seed}"),
        progress=progress,
    )
    return DeepFit(model.eval(), run, seconds + run.seconds)


def measure(config: DeepConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None) -> Measurement:
    """Train, and judge the last model by the labels: of the test images, and as ``train_...`` of the others.

    ``loss`` is that of the method on its last batch. The seconds are those of all steps, the starts' included, also
    where these were found in the folder.
    """
    model, run, seconds = fit(config, task, seed, folder=folder)
    made = circumstances(time.perf_counter(), config.device) | {"seconds": seconds}
    found = {"loss": run.history[-1]["loss"]}
    for prefix, part in (("", task.test), ("train_", task.train)):
        labels = predictions(config, model, part).argmax(1)
        found |= {f"{prefix}{name}": value for name, value in judge(labels_of(part), labels).items()}
        found[f"{prefix}clusters_used"] = metrics.clusters_used(labels)
    return found, made


def measure_starts(
    config: DeepConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None
) -> Measurement:
    """``loss, start 0`` and so on; and for the judge alone, of the training images, ``accuracy, start 0`` and so on.

    ``accuracy, agreement`` is of the labels on which the starts agree.
    """
    found = agreed_start(config, task, seed, folder=folder)
    truth = labels_of(task.train)
    measured = {f"loss, start {start}": loss for start, loss in enumerate(found.losses)}
    names = [*(f"start {start}" for start in range(config.n_starts)), "agreement"]
    for name, labels in zip(names, found.labels, strict=True):
        measured[f"accuracy, {name}"] = metrics.clustering_accuracy(truth, labels)
    return measured, circumstances(time.perf_counter(), config.device) | {"seconds": found.seconds}
