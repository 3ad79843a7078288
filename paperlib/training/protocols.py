"""What an objective may offer beside its value, and `train` makes use of."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Refreshed(Protocol):
    """An objective that keeps something of all samples, such as pseudo-labels, and renews it now and then."""

    refresh_every: int

    @property
    def is_new(self) -> bool:
        """Whether it was never renewed."""
        ...

    def refresh(self, logits: Tensor) -> None:
        """Renew it from logits of all samples, ``[n, k]``."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint has to hold."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The converse; nothing makes it new."""
        ...


@runtime_checkable
class Predicting(Protocol):
    """An objective of outputs that are no logits, which knows the predictions that they stand for."""

    def predictions(self, outputs: Any) -> Tensor | None:
        """Logits ``[b, k]`` of what the objective was called with, for the history; None where there are none yet."""
        ...


def refuse_refreshed(objective: object, owner: str) -> None:
    """Refuse an objective that keeps something as the inner one of another, where `train` does not see it.

    Raises:
        TypeError: if it is one.
    """
    name = type(objective).__name__
    if isinstance(objective, Refreshed):
        raise TypeError(f"{owner} cannot hold a {name}, which train() renews; give it to train() itself")
    if hasattr(objective, "state_dict"):
        raise TypeError(f"{owner} cannot hold a {name}, which keeps something from batch to batch; give it to train()")
