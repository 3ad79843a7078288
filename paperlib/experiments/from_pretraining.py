"""Joint training that starts from pretrained features: SCAN's steps 2 and 3, and other losses in the place of either.

Source: Van Gansbeke et al. 2020 (SCAN, arXiv 2005.12320) and the settings of the authors' code; Zhang and Boykov (arXiv
2301.11405, 2303.07321), who start from SCAN's weights. Their schedule is not known to us: our losses have that of
SCAN's step 2. In the place of step 2 may stand TEMI (Adaloglou et al. 2023, arXiv 2303.17896, without its teacher) or
the contrast of clusters of CRLC (Do, Tran and Venkatesh 2021, arXiv 2107.11635), whose two-stage code is not public.
Step 1, the contrastive pretraining itself, is not here: its weights come as a file.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from paperlib import metrics
from paperlib._checks import check_whole
from paperlib.data import Dataset
from paperlib.data.augmentations import Augmentation, presets
from paperlib.experiments.cells import Measurement
from paperlib.experiments.deep_self_labeling import labels_of_batch
from paperlib.experiments.fits import circumstances, judge, labels_of
from paperlib.experiments.from_pretraining_config import NEIGHBOR_METHODS, Method, PretrainedConfig
from paperlib.experiments.image_sets import IMAGE_SETS, synthetic_images
from paperlib.experiments.image_splits import ImageSplits
from paperlib.experiments.pretrained_network import PretrainedNetwork, Trunk
from paperlib.neighbors import nearest_neighbors
from paperlib.runtime import resolve_device
from paperlib.training import (
    ConfidentLabels,
    Crlc,
    MutualInformation,
    Objective,
    Scan,
    Temi,
    TrainedRun,
    Views,
    WarmStart,
    imsat,
    predict,
    train,
)
from paperlib.training.staged import Staged


def network(config: PretrainedConfig, seed: int, trunk: Trunk | None = None) -> PretrainedNetwork:
    """The network of a run before its first step."""
    generator = torch.Generator().manual_seed(seed)
    return PretrainedNetwork(IMAGE_SETS[config.dataset], trunk, generator).to(resolve_device(config.device))


def augmentation(config: PretrainedConfig, data: Dataset) -> Augmentation:
    """The view of every step but where SCAN's labels come from: `presets.strong`, with SCAN's size of hole."""
    side = data.x.shape[-1]
    return presets.strong(side, hole=round(IMAGE_SETS[config.dataset].hole * side))


def neighbors(config: PretrainedConfig, model: PretrainedNetwork, x: Tensor) -> Tensor:
    """Places ``[n, n_neighbors + 1]`` of each image's neighbours in the features, as they are now, and its own.

    Cost: one forward pass, then O(n^2 d).
    """
    features = predict(model.features, x, precision=config.precision, channels_last=True)
    _, nearest = nearest_neighbors(features, min(config.n_neighbors, len(x) - 1))
    return torch.cat([nearest, torch.arange(len(x), device=nearest.device).unsqueeze(1)], dim=1)


def objective(config: PretrainedConfig, step: Method, model: nn.Module, x: Tensor) -> Objective | Staged:
    """What a step minimises; pseudo-labels that start from a random head are preceded by mutual information."""
    weight = config.fairness_weight
    if step == "scan":
        return Scan()
    if step == "temi":
        return Temi()
    if step == "crlc":
        return Crlc(feature_weight=0.0)
    if step == "scan_self_labeling":
        return ConfidentLabels()
    if step == "mutual_information":
        return MutualInformation(weight)
    if step == "imsat":
        return imsat(model, Views(x).samples(slice(None)), marginal_weight=4 * weight)
    labels = labels_of_batch(step, weight)
    return labels if config.after_scan else WarmStart(MutualInformation(), labels)


def fit(
    config: PretrainedConfig,
    task: ImageSplits,
    seed: int,
    *,
    trunk: Trunk | None = None,
    checkpoints: Path | None = None,
    progress: bool = False,
) -> tuple[nn.Module, list[TrainedRun]]:
    """Train on the images of ``task.train``; its labels are not looked at.

    Args:
        config: what is run.
        task: the images.
        seed: of the first weights and of the run.
        trunk: pretrained weights; None for random ones, which the rows say.
        checkpoints: folder of them. Step 2 has one of its own there, so methods that share it do it once.
        progress: whether to draw progress bars.

    Returns:
        The network in evaluation mode, and the history of each step.
    """
    model, x = network(config, seed, trunk), task.train.x
    strong = augmentation(config, task.train)
    near = neighbors(config, model, x) if config.steps[0] in NEIGHBOR_METHODS else None
    runs = []
    for place, step in enumerate(config.steps, start=1):
        weak = None if step == "scan_self_labeling" else strong
        views = Views(x, [weak, strong], near if step in NEIGHBOR_METHODS else None)
        folder = None
        if checkpoints is not None:
            folder = checkpoints / f"{task.name}, {config.name(trunk, place)}, {seed}".replace("/", "-")
        settings = config.training(step, seed)
        goal = objective(config, step, model, x)
        runs.append(train(model, goal, views, settings, folder=folder, progress=progress))
    return model.eval(), runs


def measure(
    config: PretrainedConfig,
    task: ImageSplits,
    seed: int,
    *,
    trunk: Trunk | None = None,
    checkpoints: Path | None = None,
) -> Measurement:
    """Train, and judge the last model by the labels of the test images.

    ``loss`` is that of the last step of the run on its last batch; ``seconds`` are those of all steps, also where their
    checkpoints were there already.
    """
    model, runs = fit(config, task, seed, trunk=trunk, checkpoints=checkpoints)
    made = circumstances(time.perf_counter(), config.device) | {"seconds": sum(run.seconds for run in runs)}
    labels = predict(model, task.test.x, precision=config.precision, channels_last=True).argmax(1).cpu()
    found = {"loss": runs[-1].history[-1]["loss"], "clusters_used": metrics.clusters_used(labels)}
    return found | judge(labels_of(task.test), labels), made


def first_steps(config: PretrainedConfig, n_steps: int = 1) -> Measurement:
    """What optimiser steps of the last part of a run cost, on synthetic images of the true shape.

    Nothing is made smaller but the number of images, which has no part in it: the network, the batch, the views and
    the optimiser are those of the run. Neighbours are drawn at random, since theirs takes no longer.

    Args:
        config: of the run.
        n_steps: real steps, all counted; on a GPU the first one chooses the kernels, so take ten.

    Returns:
        ``seconds_per_step``; ``cpu_seconds_per_step``, those of this process's threads, whatever else the machine did;
        ``peak_memory`` of the process in MiB, or of the GPU.
    """
    step = config.steps[-1]
    settings = replace(config.training(step, 0), epochs=1)
    data = synthetic_images(config.dataset, check_whole(n_steps, "n_steps") * settings.batch_size).train
    model, strong = network(config, 0), augmentation(config, data)
    near = torch.randint(len(data), (len(data), config.n_neighbors + 1), generator=torch.Generator().manual_seed(0))
    weak = None if step == "scan_self_labeling" else strong
    views = Views(data.x, [weak, strong], near if step in NEIGHBOR_METHODS else None)
    goal = objective(config, step, model, data.x)
    began, busy = time.perf_counter(), time.process_time()
    train(model, goal, views, settings)
    busy = time.process_time() - busy
    made = circumstances(began, config.device)
    found = {"seconds_per_step": made["seconds"] / n_steps, "cpu_seconds_per_step": busy / n_steps}
    return found | {"peak_memory": made["peak_memory"]}, made
