"""Deep self-labelling: a network and its softmax trained together from pixels, without labels, one method at a time.

Source: Zhang and Boykov, arXiv 2301.11405 and 2303.07321, whose second table has VGG4 end to end; the recipe is ours.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from paperlib import metrics
from paperlib._checks import check_weight
from paperlib.data import Dataset, load
from paperlib.data.augmentations import Augmentation, Compose, RandomAffine, RandomHorizontalFlip, presets
from paperlib.experiments.cells import Measurement
from paperlib.experiments.fits import circumstances, judge, labels_of
from paperlib.models import VGG4, ConvNet, ResNet, resnet18
from paperlib.pseudo_labels import AlternatingDirection, ExpectationMaximization, Sinkhorn
from paperlib.runtime import resolve_device
from paperlib.training import (
    Gemini,
    InvariantInformation,
    MutualInformation,
    Objective,
    SelfLabeling,
    TrainedRun,
    TrainingConfig,
    Views,
    WarmStart,
    WholeSetLabels,
    imsat,
    predict,
    train,
)
from paperlib.training.config import Precision
from paperlib.training.staged import Staged

Method = Literal[
    "mutual_information",
    "reverse_cross_entropy",
    "collision_cross_entropy",
    "cross_entropy",
    "mi_adm",
    "sela",
    "iic",
    "imsat",
    "gemini_mmd_ovo",
]
NetworkName = Literal["conv_net", "vgg4", "resnet18"]
METHODS: tuple[Method, ...] = get_args(Method)
PSEUDO_LABELS = ("reverse_cross_entropy", "collision_cross_entropy", "cross_entropy", "mi_adm", "sela")
GREY = ("digits", "mnist", "fashion_mnist", "usps")
MIRRORED = ("fashion_mnist", "cifar10", "cifar100_20", "stl10")


@dataclass(frozen=True)
class DeepConfig:
    """One run.

    Attributes:
        method: one of `METHODS`. ``"cross_entropy"`` couples the model by the usual cross-entropy to the very
            pseudo-labels of ``"reverse_cross_entropy"``; ``"sela"`` solves for the labels of all samples at once,
            twice an epoch.
        network: ``"conv_net"``, three small blocks; ``"vgg4"``; ``"resnet18"`` with the CIFAR stem.
        n_clusters: k.
        fairness_weight: of the method, where it has one.
        warm_epochs: passes of mutual information before the first pseudo-label; of the others, none.
        epochs: passes in all; the model at the end is judged.
        batch_size: samples a step, each in two views.
        learning_rate: the peak of one cycle of Adam's.
        precision: see `TrainingConfig`.
        device: by default CUDA where there is one.
        size: the name of this size in the rows.

    Raises:
        ValueError: if a name is none of those, or a number is out of its range.
    """

    method: Method = "mutual_information"
    network: NetworkName = "conv_net"
    n_clusters: int = 10
    fairness_weight: float = 1.0
    warm_epochs: float = 1.0
    epochs: float = 8.0
    batch_size: int = 256
    learning_rate: float = 3e-3
    precision: Precision = "bfloat16"
    device: str | None = None
    size: str = "laptop"

    def __post_init__(self) -> None:
        for name, allowed in (("method", METHODS), ("network", get_args(NetworkName))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        check_weight(self.fairness_weight, "fairness_weight"), check_weight(self.warm_epochs, "warm_epochs")
        self.training(0)

    @property
    def name(self) -> str:
        """What the rows call it."""
        words: list[str] = [self.method, self.network]
        if self.method not in ("sela", "gemini_mmd_ovo"):
            words.append(f"weight {self.fairness_weight:g}")
        if self.method in PSEUDO_LABELS:
            words.append(f"warm {self.warm_epochs:g}" if self.warm_epochs else "from scratch")
        return ", ".join([*words, f"{self.epochs:g} epochs"])

    def training(self, seed: int) -> TrainingConfig:
        """The settings of the loop."""
        return TrainingConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            precision=self.precision,
            channels_last=True,
            seed=seed,
        )


@dataclass(frozen=True, eq=False)
class ImageSplits:
    """Images to cluster and to judge by, as bytes ``[n, h, w]`` or ``[n, 3, h, w]``; labels for the judge alone."""

    name: str
    train: Dataset
    test: Dataset


def load_splits(
    name: str = "mnist", *, n_samples: int | None = None, root: str | os.PathLike[str] | None = None
) -> ImageSplits:
    """A set of images by its name, of `paperlib.data`, with both splits; ``digits`` is its own test split.

    Args:
        name: of the set.
        n_samples: train on so many of the first images; None for all.
        root: data root, as for `paperlib.data.load`.
    """
    if name == "digits":
        data = load(name)
        whole = replace(data, x=(data.x * 15.9375).to(torch.uint8).view(-1, 8, 8))
        return ImageSplits("digits/all", whole, whole)
    splits = [load(name, split=split, root=root) for split in ("train", "test")]
    seen = replace(splits[0], x=splits[0].x[:n_samples], y=labels_of(splits[0])[:n_samples])
    return ImageSplits(f"{name}/test, trained on {len(seen)}", seen, splits[1])


def augmentation(data: Dataset, network: NetworkName) -> Augmentation:
    """The random change of a view: affine for grey images, with a mirror for clothes; SimCLR's for colour.

    VGG4 on grey images has IIC's crops, which end in 24 pixels.
    """
    if data.name not in GREY:
        return presets.simclr(data.x.shape[-1])
    if network == "vgg4" and data.x.shape[-1] == 28:
        steps = list(presets.iic_mnist().augmentations)
    else:
        steps = [RandomAffine(degrees=15, translate=0.1, scale=(0.85, 1.15), shear=11, isotropic=False)]
    return Compose(*steps, *([RandomHorizontalFlip()] if data.name in MIRRORED else []))


def network(config: DeepConfig, data: Dataset, generator: torch.Generator) -> nn.Module:
    """The network of a configuration for images of a set."""
    channels, side = (1 if data.x.ndim == 3 else 3), data.x.shape[-1]
    if config.network == "resnet18":
        model: ResNet = resnet18(config.n_clusters, in_channels=channels, generator=generator)
        return model
    if config.network == "vgg4":
        side = 24 if side == 28 else side
        return VGG4(config.n_clusters, in_channels=channels, image_size=side, generator=generator)
    widths = (32, 64, 128) if side > 8 else (16, 32)
    return ConvNet(config.n_clusters, in_channels=channels, image_size=side, widths=widths, generator=generator)


def objective(config: DeepConfig, model: nn.Module, data: Dataset) -> Objective | Staged:
    """What is minimised."""
    weight = config.fairness_weight
    if config.method == "mutual_information":
        return MutualInformation(weight)
    if config.method == "iic":
        return InvariantInformation(weight)
    if config.method == "gemini_mmd_ovo":
        return Gemini("mmd_ovo", features=Views(data.x).samples(slice(None)).flatten(1))
    if config.method == "imsat":
        x = Views(_as_seen(data.x, config, data)).samples(slice(None))
        return imsat(model, x, marginal_weight=weight)
    then: Objective
    if config.method == "sela":
        then = WholeSetLabels(Sinkhorn(), refresh_every=max(1, len(data) // config.batch_size // 2))
    elif config.method == "mi_adm":
        then = SelfLabeling(AlternatingDirection(fairness_weight=weight))
    else:
        solver = ExpectationMaximization(weight, tolerance=1e-2, max_iterations=50)
        if config.method == "collision_cross_entropy":
            solver = replace(solver, divergence="collision_cross_entropy")
        then = SelfLabeling(solver, divergence="cross_entropy" if config.method == "cross_entropy" else None)
    return WarmStart(MutualInformation(), then, share=min(1.0, config.warm_epochs / config.epochs))


def fit(
    config: DeepConfig,
    task: ImageSplits,
    seed: int,
    *,
    folder: str | Path | None = None,
    progress: bool = False,
) -> tuple[nn.Module, TrainedRun]:
    """Train on the images of ``task.train``; its labels are not looked at.

    Args:
        config: what is run.
        task: the images.
        seed: of the first weights and of the run.
        folder: of the checkpoints, see `train`.
        progress: whether to draw a progress bar.

    Returns:
        The network in evaluation mode, and its history.
    """
    data = task.train
    model = network(config, data, torch.Generator().manual_seed(seed)).to(resolve_device(config.device))
    change = augmentation(data, config.network)
    run = train(
        model,
        objective(config, model, data),
        Views(data.x, [change, change]),
        config.training(seed),
        folder=folder,
        progress=progress,
    )
    return model.eval(), run


def predictions(config: DeepConfig, model: nn.Module, data: Dataset) -> Tensor:
    """Logits of the images as they are, ``[n, k]``, on the CPU."""
    x = _as_seen(data.x, config, data)
    return predict(model, x, precision=config.precision, channels_last=True).cpu()


def _as_seen(x: Tensor, config: DeepConfig, data: Dataset) -> Tensor:
    """Images without augmentation: their middle where VGG4 takes 24 pixels of 28."""
    return x[..., 2:26, 2:26] if config.network == "vgg4" and data.name in GREY and x.shape[-1] == 28 else x


def measure(config: DeepConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None) -> Measurement:
    """Train, and judge the last model by the labels: of the test images, and as ``train_...`` of the others.

    ``loss`` is that of the method on its last batch.
    """
    began = time.perf_counter()
    model, run = fit(config, task, seed, folder=folder)
    made = circumstances(began, config.device)
    found = {"loss": run.history[-1]["loss"]}
    for prefix, part in (("", task.test), ("train_", task.train)):
        logits = predictions(config, model, part)
        labels = logits.argmax(1)
        found |= {f"{prefix}{name}": value for name, value in judge(labels_of(part), labels).items()}
        found[f"{prefix}clusters_used"] = metrics.clusters_used(labels)
    return found, made
