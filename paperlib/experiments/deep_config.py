"""The settings of one run of deep self-labelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from paperlib._checks import check_choice, check_weight, check_whole
from paperlib.training import TrainingConfig
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
            check_choice(getattr(self, name), name, allowed)
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
