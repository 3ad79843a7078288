"""What a run of joint training from pretrained features consists of, in three sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from paperlib._checks import check_choice, check_weight, check_whole
from paperlib.experiments.image_sets import IMAGE_SETS, SetName
from paperlib.experiments.pretrained_network import Trunk
from paperlib.training import TrainingConfig
from paperlib.training.config import Precision

Method = Literal[
    "scan",
    "scan_self_labeling",
    "mutual_information",
    "reverse_cross_entropy",
    "collision_cross_entropy",
    "imsat",
    "temi",
    "crlc",
]
METHODS: tuple[Method, ...] = get_args(Method)
NEIGHBOR_METHODS: tuple[Method, ...] = ("scan", "temi", "crlc")  # pairs of neighbours: SCAN's step 2, and its rivals
WEIGHTED = tuple(method for method in METHODS if method not in (*NEIGHBOR_METHODS, "scan_self_labeling"))


@dataclass(frozen=True)
class PretrainedConfig:
    """One run: SCAN's step 2 or a rival of it, or step 2 and then the method. `config_for` gives those of each size.

    Attributes:
        method: one of `METHODS`.
        dataset: a key of `IMAGE_SETS`.
        after_scan: whether the method goes on from SCAN's step 2 or starts from the trunk, with a random head. SCAN's
            own two steps take no notice, and rivals of step 2 always start from the trunk.
        fairness_weight: of mutual information and of the pseudo-labels; IMSAT has four times it.
        n_neighbors: of each image, in step 2, beside itself.
        scan_epochs: passes of step 2.
        scan_batch: images a step in step 2.
        epochs: passes of the method after it.
        batch_size: images a step there, each in two views.
        learning_rate: Adam's, constant.
        weight_decay: Adam's.
        precision: see `TrainingConfig`.
        micro_batch: see `TrainingConfig`; for GPUs with less memory.
        device: by default CUDA where there is one.
        size: the name of this size in the rows.

    Raises:
        ValueError: if a name is none of those, or a number is out of its range.
    """

    method: Method = "scan"
    dataset: SetName = "cifar10"
    after_scan: bool = True
    fairness_weight: float = 1.0
    n_neighbors: int = 20
    scan_epochs: float = 2.0
    scan_batch: int = 128
    epochs: float = 2.0
    batch_size: int = 128
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    precision: Precision = "float32"
    micro_batch: int | None = None
    device: str | None = None
    size: str = "laptop"

    def __post_init__(self) -> None:
        for name, allowed in (("method", METHODS), ("dataset", get_args(SetName))):
            check_choice(getattr(self, name), name, allowed)
        check_weight(self.fairness_weight, "fairness_weight"), check_whole(self.n_neighbors, "n_neighbors")
        for step in self.steps:
            self.training(step, 0)

    @property
    def steps(self) -> tuple[Method, ...]:
        """The methods that follow each other in this run."""
        if self.method in NEIGHBOR_METHODS:
            return (self.method,)
        if self.after_scan or self.method == "scan_self_labeling":
            return "scan", self.method
        return (self.method,)

    def training(self, step: Method, seed: int) -> TrainingConfig:
        """The settings of the loop for one of the `steps`."""
        second = step in NEIGHBOR_METHODS
        return TrainingConfig(
            epochs=self.scan_epochs if second else self.epochs,
            batch_size=self.scan_batch if second else self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule="constant",
            precision=self.precision,
            channels_last=True,
            micro_batch=self.micro_batch,
            seed=seed,
        )

    def name(self, trunk: Trunk | None, upto: int | None = None) -> str:
        """What the rows call it, or its first ``upto`` steps."""
        words = [] if trunk else ["random trunk"]
        for step in self.steps[:upto]:
            weighted = f" weight {self.fairness_weight:g}" if step in WEIGHTED else ""
            words.append(f"{step}{weighted} {self.training(step, 0).epochs:g} epochs")
        return ", ".join([f"trunk {trunk.name}", *words] if trunk else words)


def config_for(method: Method, dataset: SetName = "cifar10", size: str = "paper", **options: Any) -> PretrainedConfig:
    """The configuration of a method at a size; ``options`` are further fields.

    ``"paper"`` has SCAN's epochs and batches, see `IMAGE_SETS`; ``"laptop"`` two passes of each step in batches of
    128, ``"smoke"`` one in batches of 16.
    """
    small = {"smoke": (1.0, 16), "laptop": (2.0, 128)}
    if size != "paper":
        epochs, batch = small[size]
        found = PretrainedConfig(method, dataset, scan_epochs=epochs, scan_batch=batch, epochs=epochs, batch_size=batch)
    else:
        given = IMAGE_SETS[dataset]
        third = method == "scan_self_labeling"
        found = PretrainedConfig(
            method,
            dataset,
            scan_epochs=given.scan_epochs,
            scan_batch=given.scan_batch,
            epochs=given.label_epochs if third else given.scan_epochs,
            batch_size=given.label_batch if third else given.scan_batch,
        )
    return replace(found, size=size, **options)
