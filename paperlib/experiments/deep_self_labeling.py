"""Deep self-labelling: a network and its softmax trained together from pixels, without labels, one method at a time.

Source: Zhang and Boykov, arXiv 2301.11405 and 2303.07321, whose second table has VGG4 end to end; the recipe is ours.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from paperlib import metrics
from paperlib._checks import check_weight, check_whole
from paperlib.consensus import consensus
from paperlib.data import Dataset, load
from paperlib.data.augmentations import Augmentation, Compose, RandomAffine, RandomHorizontalFlip, presets
from paperlib.experiments.cells import Measurement
from paperlib.experiments.fits import circumstances, judge, labels_of
from paperlib.models import VGG4, ConvNet, ResNet, resnet18
from paperlib.pseudo_labels import AlternatingDirection, ExpectationMaximization, Sinkhorn
from paperlib.runtime import resolve_device
from paperlib.training import (
    FixedLabels,
    Gemini,
    InvariantInformation,
    MutualInformation,
    Objective,
    Scheduled,
    SelfLabeling,
    TrainedRun,
    TrainingConfig,
    Views,
    WholeSetLabels,
    final_loss,
    geometric,
    imsat,
    predict,
    train,
)
from paperlib.training.config import Precision

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
    """One run: several short starts with mutual information, a new network that learns what they agree on, the method.

    What comes before the method depends on data, network, seed and its own settings alone, so the methods of a table go
    on from the same network.

    Attributes:
        method: one of `METHODS`. ``"cross_entropy"`` couples the model by the usual cross-entropy to the very
            pseudo-labels of ``"reverse_cross_entropy"``; ``"sela"`` solves for the labels of all samples at once,
            twice an epoch.
        network: ``"conv_net"``, three small blocks; ``"vgg4"``; ``"resnet18"`` with the CIFAR stem.
        n_clusters: k.
        fairness_weight: of the method, where it has one; starts have weight 1.
        n_starts: number of starts; 0 for the method from first weights.
        start_epochs: passes of each start.
        agreement_epochs: passes of a new network over the labels on which the starts agree.
        epochs: passes of the method; the model at the end is judged.
        batch_size: samples a step, each in two views.
        learning_rate: the peak of one cycle of Adam's, in the starts and after them.
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
    n_starts: int = 6
    start_epochs: float = 2.0
    agreement_epochs: float = 2.0
    epochs: float = 2.5
    batch_size: int = 256
    learning_rate: float = 3e-3
    precision: Precision = "bfloat16"
    device: str | None = None
    size: str = "laptop"

    def __post_init__(self) -> None:
        for name, allowed in (("method", METHODS), ("network", get_args(NetworkName))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        check_weight(self.fairness_weight, "fairness_weight")
        check_whole(self.n_starts, "n_starts", 0), check_whole(self.n_clusters, "n_clusters")
        for epochs in (self.epochs, self.start_epochs, self.agreement_epochs):
            self.training(0, epochs)

    @property
    def name(self) -> str:
        """What the rows call it."""
        words: list[str] = [self.method, self.network]
        if self.method not in ("sela", "gemini_mmd_ovo"):
            words.append(f"weight {self.fairness_weight:g}")
        before = f"{self.n_starts} x {self.start_epochs:g} + {self.agreement_epochs:g}"
        words.append(before if self.n_starts else "from scratch")
        return ", ".join([*words, f"{self.epochs:g} epochs"])

    @property
    def start_name(self) -> str:
        """What the rows call its starts."""
        return f"{self.n_starts} starts, {self.network}, {self.start_epochs:g} epochs"

    def training(self, seed: int, epochs: float | None = None) -> TrainingConfig:
        """The settings of the loop."""
        return TrainingConfig(
            epochs=self.epochs if epochs is None else epochs,
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

    @property
    def n_classes(self) -> int:
        """How many classes there are: the one thing about labels that training is told, as k."""
        return len(labels_of(self.test).unique())


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
        seen = replace(whole, x=whole.x[:n_samples], y=labels_of(whole)[:n_samples])
        return ImageSplits("digits/all" if n_samples is None else f"digits/all, trained on {len(seen)}", seen, whole)
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
        x = Views(_as_seen(data.x, config, data)).samples(slice(None))
        return imsat(model, x, marginal_weight=weight)
    if config.method == "sela":
        return WholeSetLabels(Sinkhorn(), refresh_every=max(1, len(data) // config.batch_size // 2))
    if config.method == "mi_adm":
        return SelfLabeling(AlternatingDirection(fairness_weight=weight))
    solver = ExpectationMaximization(weight, tolerance=1e-2, max_iterations=50)
    if config.method == "collision_cross_entropy":
        solver = replace(solver, divergence="collision_cross_entropy")
    return SelfLabeling(solver, divergence="cross_entropy" if config.method == "cross_entropy" else None)


class DeepFit(NamedTuple):
    """A trained network in evaluation mode, the history of its last run, and the time of all steps, starts included."""

    model: nn.Module
    run: TrainedRun
    seconds: float


def train_start(
    config: DeepConfig,
    task: ImageSplits,
    seed: int,
    start: int,
    *,
    folder: str | Path | None = None,
    progress: bool = False,
) -> tuple[nn.Module, TrainedRun]:
    """One start: a new network, trained with mutual information. Labels are not looked at.

    The fairness weight falls from 5 to 1 over the first 70 % of the steps: fair first, so that no cluster is lost
    early, and in the end the mutual information itself, which lets classes be of unequal size.

    Args:
        config: what is run.
        task: the images.
        seed: of the run; the start's own is ``1000 * seed + start``.
        start: counted from 0.
        folder: of checkpoints, see `train`.
        progress: whether to draw a progress bar.
    """
    own = 1000 * seed + start
    model = network(config, task.train, torch.Generator().manual_seed(own)).to(resolve_device(config.device))
    weight = geometric(5.0, 1.0, until=0.7)
    run = train(
        model,
        Scheduled(lambda progress: MutualInformation(weight(progress))),
        views(config, task.train),
        config.training(own, config.start_epochs),
        folder=None if folder is None else Path(folder) / f"{_place(config, task, seed)}-start-{start}",
        log_every=10,
        progress=progress,
    )
    return model, run


class Agreement(NamedTuple):
    """The starts, and what came of them.

    Attributes:
        model: taught what all starts agree on.
        losses: final loss of each start, in nats.
        labels: of each start, for the training images, ``[n]``, and last those on which they agree.
        seconds: of all steps.
    """

    model: nn.Module
    losses: list[float]
    labels: list[Tensor]
    seconds: float


def agreed_start(
    config: DeepConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None, progress: bool = False
) -> Agreement:
    """Train the starts, find the consensus of their predictions, and teach it to a new network.

    Starts fail in different places, and outvote each other's failures (`paperlib.consensus`); clusters are matched with
    those of the start of lowest loss first. Labels are not looked at.

    Args:
        config: what is run.
        task: the images.
        seed: of the run.
        folder: of checkpoints, see `train`.
        progress: whether to draw progress bars.
    """
    losses: list[float] = []
    votes: list[Tensor] = []
    seconds = 0.0
    for start in range(config.n_starts):
        model, run = train_start(config, task, seed, start, folder=folder, progress=progress)
        losses.append(final_loss(run))
        votes.append(predictions(config, model, task.train).softmax(1))
        seconds += run.seconds
    order = sorted(range(len(votes)), key=losses.__getitem__)
    agreed = consensus([votes[start] for start in order])
    name = f"{_place(config, task, seed)}-agreed-{config.n_starts}-{config.agreement_epochs:g}"
    own = 1000 * seed + 998
    model = network(config, task.train, torch.Generator().manual_seed(own)).to(resolve_device(config.device))
    run = train(
        model,
        FixedLabels(agreed),
        views(config, task.train),
        config.training(own, config.agreement_epochs),
        folder=None if folder is None else Path(folder) / name,
        progress=progress,
    )
    labels = [vote.argmax(1) for vote in [*votes, agreed]]
    return Agreement(model, losses, labels, seconds + run.seconds)


def _place(config: DeepConfig, task: ImageSplits, seed: int) -> str:
    """What starts depend on, as a name."""
    return f"{config.network}-{config.start_epochs:g}-{task.name}-{seed}".replace("/", "-").replace(" ", "")


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
        model = model.to(resolve_device(config.device))
    name = f"{config.name}-{task.name}-{seed}".replace("/", "-").replace(" ", "")
    run = train(
        model,
        objective(config, model, task.train),
        views(config, task.train),
        config.training(1000 * seed + 999),
        folder=None if folder is None else Path(folder) / name,
        progress=progress,
    )
    return DeepFit(model.eval(), run, seconds + run.seconds)


def views(config: DeepConfig, data: Dataset) -> Views:
    """Every image in two views, changed in the same way."""
    change = augmentation(data, config.network)
    return Views(data.x, [change, change])


def predictions(config: DeepConfig, model: nn.Module, data: Dataset) -> Tensor:
    """Logits of the images as they are, ``[n, k]``, on the CPU."""
    x = _as_seen(data.x, config, data)
    return predict(model, x, precision=config.precision, channels_last=True).cpu()


def _as_seen(x: Tensor, config: DeepConfig, data: Dataset) -> Tensor:
    """Images without augmentation: their middle where VGG4 takes 24 pixels of 28."""
    return x[..., 2:26, 2:26] if config.network == "vgg4" and data.name in GREY and x.shape[-1] == 28 else x


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
