"""Objectives that change as a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from paperlib.training.objectives import Objective

_FIRST = "first/"


@runtime_checkable
class Staged(Protocol):
    """An objective that has another form at each moment of a run."""

    def at(self, progress: float) -> Objective:
        """The objective when a share ``progress`` of the steps is done."""
        ...


@dataclass(frozen=True)
class WarmStart:
    """One objective for the first part of a run, another for the rest.

    Pseudo-labels say nothing before the model says something; mutual information starts from nothing.

    Attributes:
        first: until a share ``share`` of the steps is done.
        then: from there on.
        share: between 0 and 1.
    """

    first: Objective
    then: Objective
    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be between 0 and 1, got {self.share!r}")

    def at(self, progress: float) -> Objective:
        """One of the two."""
        return self.first if progress < self.share else self.then

    def state_dict(self) -> dict[str, Tensor]:
        """Those of both, where they have one; names of ``first`` start with ``first/``."""
        first, then = (one.state_dict() if hasattr(one, "state_dict") else {} for one in (self.first, self.then))
        return {**then, **{_FIRST + name: value for name, value in first.items()}}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The converse."""
        first = {name.removeprefix(_FIRST): value for name, value in state.items() if name.startswith(_FIRST)}
        then = {name: value for name, value in state.items() if not name.startswith(_FIRST)}
        for one, part in ((self.first, first), (self.then, then)):
            if hasattr(one, "load_state_dict"):
                one.load_state_dict(part)


@dataclass(frozen=True)
class Scheduled:
    """An objective made anew for each step, such as one whose fairness weight changes.

    Attributes:
        make: gives the objective when a share from 0 to 1 of the steps is done. It must not keep anything.
    """

    make: Callable[[float], Objective]

    def at(self, progress: float) -> Objective:
        """What ``make`` gives."""
        return self.make(progress)
