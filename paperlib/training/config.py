"""The settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from paperlib._checks import check_positive, check_weight, check_whole
from paperlib.training.schedules import Schedule, learning_rate_factor

Optimizer = Literal["adam", "adamw", "sgd"]
Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class TrainingConfig:
    """What decides the numbers of a run, beside model, objective and data. All of it is written to checkpoints.

    Attributes:
        epochs: passes over the data; a last batch that is not full is dropped.
        batch_size: samples in a batch, over all processes; each is seen in all its views.
        learning_rate: the highest.
        schedule: of the learning rate, see `paperlib.training.schedules.learning_rate_factor`.
        optimizer: ``"adam"`` (Kingma and Ba 2015), ``"adamw"`` (Loshchilov and Hutter 2019) or ``"sgd"`` with
            momentum 0.9.
        weight_decay: as the optimiser understands it.
        decay_vectors: whether it also concerns parameters with fewer than two axes: biases, and the scales and shifts
            of normalisation. (The biases of `paperlib.models.MultiHead` have two.)
        precision: ``"bfloat16"`` and ``"float16"`` run the model under autocast, on GPUs and CPUs that have the type;
            parameters and objective stay float32. ``"float16"`` scales the loss and is for GPUs alone. ``"float32"``
            leaves model and data in the type they have, which may be float64.
        channels_last: memory format of images and convolutions; faster on GPUs with half precision, and on CPUs.
        micro_batch: samples, in all their views, that go through the model at once; None for all. The objective still
            sees the whole batch: activations are computed a second time, part by part, in the backward pass. Batch
            normalisation normalises over the part.
        seed: of the order of the samples, of augmentations and of noise in the model.

    Raises:
        ValueError: if one is out of its range.
    """

    epochs: float = 1
    batch_size: int = 256
    learning_rate: float = 1e-3
    schedule: Schedule = "one_cycle"
    optimizer: Optimizer = "adam"
    weight_decay: float = 0.0
    decay_vectors: bool = True
    precision: Precision = "float32"
    channels_last: bool = False
    micro_batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        numbers: dict[str, float] = {
            name: check_positive(getattr(self, name), name) for name in ("epochs", "learning_rate")
        }
        numbers["weight_decay"] = check_weight(self.weight_decay, "weight_decay")
        numbers["batch_size"] = check_whole(self.batch_size, "batch_size")
        numbers["seed"] = check_whole(self.seed, "seed", 0)
        if self.micro_batch is not None:
            numbers["micro_batch"] = check_whole(self.micro_batch, "micro_batch")
        for name, number in numbers.items():
            object.__setattr__(self, name, number)  # NumPy's numbers are none that JSON knows
        learning_rate_factor(self.schedule, 0.0)
        choices: tuple[tuple[str, Any], ...] = (("optimizer", Optimizer), ("precision", Precision))
        for name, allowed in choices:
            if getattr(self, name) not in get_args(allowed):
                listed = ", ".join(map(repr, get_args(allowed)))
                raise ValueError(f"{name} must be one of {listed}, got {getattr(self, name)!r}")
