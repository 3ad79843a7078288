"""Contrastive clustering from pixels: a trunk with cluster heads and an embedding, trained in one stage.

Source: Do, Tran and Venkatesh 2021 (CRLC, arXiv 2107.11635) and the authors' code. Unlike there, the cluster head is
chosen by its loss and the last weights are judged: no label has a part in either.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from paperlib import metrics
from paperlib._checks import check_choice, check_whole
from paperlib.data import Dataset
from paperlib.experiments.cells import Measurement, checkpoints_of
from paperlib.experiments.deep_network import augmentation
from paperlib.experiments.fits import circumstances, judge, labels_of
from paperlib.experiments.image_sets import IMAGE_SETS, synthetic_images
from paperlib.experiments.image_splits import ImageSplits
from paperlib.experiments.pretrained_network import Normalized
from paperlib.losses.contrastive import Critic
from paperlib.models import ContrastiveNetwork, ConvNet, resnet34
from paperlib.runtime import resolve_device
from paperlib.training import Crlc, TrainedRun, TrainingConfig, Views, head_losses, predict, train
from paperlib.training.config import Optimizer, Precision
from paperlib.training.crlc import EntropyOf
from paperlib.training.schedules import Schedule

Backbone = Literal["conv_net", "resnet34"]


@dataclass(frozen=True)
class ContrastiveConfig:
    """One run. The weights, temperature, smoothing and number of heads are those of the paper and the authors' code.

    Attributes:
        critic: see :func:`paperlib.losses.probability_contrastive_loss`.
        entropy_weight: of the mean prediction's entropy; the code's default for CIFAR-10 is 2.
        feature_weight: of the embeddings' contrast.
        cluster_weight: of everything else; with 0 features alone are learnt.
        entropy_of: see `Crlc`.
        network: ``"conv_net"``, three small blocks; ``"resnet34"`` with the CIFAR stem, for colour images.
        n_clusters: k.
        n_heads: cluster heads.
        n_hidden: width of the heads' middle layers.
        epochs: passes over the images.
        batch_size: images a step, each in two views.
        learning_rate: the highest.
        schedule: of it.
        optimizer: see `TrainingConfig`.
        weight_decay: on matrices and filters alone.
        precision: see `TrainingConfig`.
        micro_batch: see `TrainingConfig`; for GPUs with less memory.
        device: by default CUDA where there is one.
        size: the name of this size in the rows.

    Raises:
        ValueError: if a setting is out of its range.
    """

    critic: Critic = "log_dot"
    entropy_weight: float = 1.0
    feature_weight: float = 10.0
    cluster_weight: float = 1.0
    entropy_of: EntropyOf = "batch"
    network: Backbone = "conv_net"
    n_clusters: int = 10
    n_heads: int = 10
    n_hidden: int = 128
    epochs: float = 5.0
    batch_size: int = 256
    learning_rate: float = 3e-3
    schedule: Schedule = "one_cycle"
    optimizer: Optimizer = "adam"
    weight_decay: float = 0.0
    precision: Precision = "bfloat16"
    micro_batch: int | None = None
    device: str | None = None
    size: str = "laptop"

    def __post_init__(self) -> None:
        check_choice(self.network, "network", get_args(Backbone))
        for name in ("n_clusters", "n_heads", "n_hidden"):
            check_whole(getattr(self, name), name)
        self.objective(), self.training(0)

    @property
    def name(self) -> str:
        """What the rows call it."""
        words = [f"crlc, {self.critic}", f"entropy {self.entropy_weight:g}"]
        if self.entropy_of == "samples":
            words[-1] += " of samples"
        words.append(f"features {self.feature_weight:g}")
        if self.cluster_weight != 1:
            words.append(f"clusters {self.cluster_weight:g}")
        return ", ".join([*words, f"{self.network}, {self.n_heads} heads", f"{self.epochs:g} epochs"])

    def objective(self) -> Crlc:
        """What is minimised."""
        return Crlc(
            self.critic,
            self.entropy_weight,
            self.feature_weight,
            cluster_weight=self.cluster_weight,
            entropy_of=self.entropy_of,
        )

    def training(self, seed: int) -> TrainingConfig:
        """The settings of the loop."""
        return TrainingConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            decay_vectors=False,
            precision=self.precision,
            channels_last=True,
            micro_batch=self.micro_batch,
            seed=seed,
        )


def published(**options: Any) -> ContrastiveConfig:
    """The one-stage configuration of the paper for CIFAR-10; ``options`` are further fields.

    ResNet-34, ten heads, SGD at a constant rate of 0.1, 2,000 epochs in batches of 512. Its views are those of
    `paperlib.data.augmentations.presets.simclr`. The authors let batches run across the end of an epoch; here the last,
    incomplete one is dropped.
    """
    settings: dict[str, Any] = {
        "network": "resnet34",
        "n_hidden": 512,
        "epochs": 2000.0,
        "batch_size": 512,
        "learning_rate": 0.1,
        "schedule": "constant",
        "optimizer": "sgd",
        "weight_decay": 5e-4,
        "size": "paper",
    }
    return ContrastiveConfig(**settings | options)


def network(config: ContrastiveConfig, data: Dataset, generator: torch.Generator) -> ContrastiveNetwork:
    """The network before its first step, on the configuration's device."""
    trunk: nn.Module
    if config.network == "resnet34":
        given = IMAGE_SETS["cifar10"]
        resnet = resnet34(config.n_clusters, generator=generator)
        trunk, n_features = nn.Sequential(Normalized(given.mean, given.std), resnet.features), resnet.n_features
    else:
        channels, side = (1 if data.x.ndim == 3 else 3), data.x.shape[-1]
        widths = (32, 64, 128) if side > 8 else (16, 32)
        conv = ConvNet(config.n_clusters, in_channels=channels, image_size=side, widths=widths, generator=generator)
        trunk, n_features = conv.features, conv.n_features
    model = ContrastiveNetwork(
        trunk, n_features, config.n_clusters, n_heads=config.n_heads, n_hidden=config.n_hidden, generator=generator
    )
    return model.to(resolve_device(config.device))


def views(data: Dataset) -> Views:
    """Every image in two views, changed in the same way."""
    change = augmentation(data, "conv_net")
    return Views(data.x, [change, change])


class ContrastiveFit(NamedTuple):
    """A trained network in evaluation mode, its run, and the loss of each head; the lowest is the chosen one."""

    model: ContrastiveNetwork
    run: TrainedRun
    losses: Tensor

    @property
    def head(self) -> int:
        """The place of the chosen head."""
        return int(self.losses.argmin())


def fit(
    config: ContrastiveConfig,
    task: ImageSplits,
    seed: int,
    *,
    folder: str | Path | None = None,
    progress: bool = False,
) -> ContrastiveFit:
    """Train on the images of ``task.train``; its labels are not looked at.

    Args:
        config: what is run.
        task: the images.
        seed: of first weights, order and views.
        folder: of the checkpoints, see `train`.
        progress: whether to draw a progress bar.
    """
    model = network(config, task.train, torch.Generator().manual_seed(seed))
    goal, seen = config.objective(), views(task.train)
    place = checkpoints_of(folder, f"{config.name}-{task.name}-{seed}")
    run = train(model, goal, seen, config.training(seed), folder=place, progress=progress)
    losses = head_losses(
        model,
        goal,
        seen,
        batch_size=config.batch_size,
        seed=seed,
        precision=config.precision,
        channels_last=True,
    )
    return ContrastiveFit(model.eval(), run, losses)


def measure(
    config: ContrastiveConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None
) -> Measurement:
    """Train, and judge the chosen head by the labels of the test images.

    Beside it stand the best head by these very labels and the mean over heads, which a paper may report, and K-means
    with ten starts on the trunk's features and on the embeddings, of length one, of the same test images.
    ``loss`` is the chosen head's, of the images that were trained on. The seconds are those of the steps.
    """
    model, run, losses = found = fit(config, task, seed, folder=folder)
    truth = labels_of(task.test)
    labels, features = (
        predict(part, task.test.x, precision=config.precision, channels_last=True) for part in (model, model.trunk)
    )
    labels = labels.argmax(-1).cpu()
    embeddings = nn.functional.normalize(model.embedding(features), dim=1).detach()
    chosen = labels[:, found.head]
    heads = [metrics.clustering_accuracy(truth, one) for one in labels.unbind(1)]
    measured = judge(truth, chosen) | {
        "clusters_used": metrics.clusters_used(chosen),
        "loss": float(losses.min()),
        "accuracy, best head by labels": max(heads),
        "accuracy, mean of heads": sum(heads) / len(heads),
    }
    for name, x in (("features", features), ("embeddings", embeddings)):
        kmeans = KMeans(config.n_clusters, n_init=10, random_state=seed).fit_predict(x.cpu().numpy())
        measured[f"accuracy, k-means of {name}"] = metrics.clustering_accuracy(truth, kmeans)
    made = circumstances(time.perf_counter(), config.device) | {"seconds": run.seconds}
    return measured, made


def first_steps(config: ContrastiveConfig, folder: str | Path, n_steps: int = 2) -> Measurement:
    """Real optimiser steps of a configuration on synthetic images of CIFAR-10's shape, stopped and resumed.

    Nothing is made smaller but the number of images: the network, the batch, the views and the optimiser are those of
    the run. After the last step its checkpoint is deleted, and a new network goes on from the one before.

    Args:
        config: of the run.
        folder: for the checkpoints, empty.
        n_steps: at least 2.

    Returns:
        ``loss``, of the last step; ``seconds_per_step``; ``difference after resuming``, the largest of any weight.
    """
    check_whole(n_steps, "n_steps", 2)
    data = synthetic_images("cifar10", config.batch_size).train
    settings = replace(config.training(0), epochs=n_steps)  # one step an epoch

    def run() -> tuple[nn.Module, TrainedRun]:
        model = network(config, data, torch.Generator().manual_seed(0))
        return model, train(model, config.objective(), views(data), settings, folder=folder, checkpoint_every=1)

    began = time.perf_counter()
    whole, done = run()
    made = circumstances(began, config.device)
    for kind in ("json", "safetensors"):
        max(Path(folder).glob(f"*.{kind}")).unlink()
    resumed, _ = run()
    pairs = zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    difference = max(float((a.double() - b.double()).abs().max()) for a, b in pairs)
    found = {"loss": done.history[-1]["loss"], "seconds_per_step": done.seconds / n_steps}
    return found | {"difference after resuming": difference}, made
