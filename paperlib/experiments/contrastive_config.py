"""The settings of one run of contrastive clustering from pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from paperlib._checks import check_choice, check_whole
from paperlib.losses.contrastive import Critic
from paperlib.training import Crlc, TrainingConfig
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
