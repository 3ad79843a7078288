"""Pseudo-labels solved for all samples at once, now and then, and held fixed in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from paperlib._checks import check_whole
from paperlib.losses.self_labeling import Divergence
from paperlib.training.batches import rows_at
from paperlib.training.objectives import PseudoLabelSolver, coupling_loss


@dataclass
class WholeSetLabels:
    """The coupling of predictions to pseudo-labels of the whole data set, which are renewed every so many steps.

    Fairness is asked of all samples, not of a batch, whose classes are never exactly in proportion. Between two
    solves the labels are as old as that. This is how SeLa works (Asano, Rupprecht and Vedaldi 2020, arXiv 1911.05371).
    `paperlib.training.train` calls :meth:`refresh`.

    Cost: one forward pass over the data and one solve, O(n k) an iteration, every ``refresh_every`` steps; memory for
    the labels ``[n, k]``.

    Attributes:
        solver: of `paperlib.pseudo_labels`.
        refresh_every: steps from one solve to the next.
        divergence: the coupling; the solver's own when None.
        prior: proportions ``[k]``; uniform when None.
        targets: the labels ``[n, k]``, None before the first solve.
        unsolved: number of solves that stopped before their criterion was met.
    """

    solver: PseudoLabelSolver
    refresh_every: int
    divergence: Divergence | None = None
    prior: Tensor | None = None
    targets: Tensor | None = field(default=None, repr=False, compare=False)
    unsolved: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        check_whole(self.refresh_every, "refresh_every")

    @property
    def is_new(self) -> bool:
        """Whether there are no labels yet."""
        return self.targets is None

    @torch.no_grad()
    def refresh(self, logits: Tensor) -> None:
        """Solve for the labels of all samples, given their logits ``[n, k]``."""
        found = self.solver.solve(logits.softmax(-1), prior=self.prior, warn=False)
        self.unsolved += not found.converged
        self.targets = found.targets

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The coupling for ``logits``, shape ``[b, k]`` or ``[v, b, k]``, in nats.

        Raises:
            RuntimeError: before the first `refresh`.
        """
        if self.targets is None:
            raise RuntimeError("there are no labels yet: call refresh(logits of all samples) first, as train() does")
        return coupling_loss(logits, rows_at(self.targets, index).to(logits), self.solver, self.divergence)

    def state_dict(self) -> dict[str, Tensor]:
        """The labels, for a checkpoint."""
        return {} if self.targets is None else {"targets": self.targets, "unsolved": torch.tensor(self.unsolved)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The converse; of nothing, there are no labels."""
        self.targets, self.unsolved = state.get("targets"), int(state.get("unsolved", 0))
