"""Objectives with their settings bound: callables from logits to a scalar that an optimiser minimises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from paperlib.losses import fairness_loss, mutual_information_loss, self_labeling_loss
from paperlib.pseudo_labels import ExpectationMaximization

Objective = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class MutualInformation:
    """:func:`paperlib.losses.mutual_information_loss` with its weight and prior."""

    fairness_weight: float = 1.0
    prior: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """The loss of ``logits``, shape ``[n, k]``, in nats."""
        return mutual_information_loss(logits, fairness_weight=self.fairness_weight, prior=self.prior)


@dataclass
class SelfLabeling:
    r"""Reverse cross-entropy to optimal pseudo-labels, plus strong fairness of the pseudo-labels.

    .. math::
        \min_y \; \frac1n \sum_i H(\sigma_i, y_i) + \lambda\, KL(u \| \bar y),

    with the pseudo-labels eliminated: they are solved for at every call, so this is a function of the logits alone,
    and its gradient is that of the loss with the pseudo-labels held fixed (envelope theorem; the minimiser is unique).

    Source: Zhang and Boykov, arXiv 2301.11405, the self-labelling loss.

    Attributes:
        solver: the pseudo-label solver; its fairness weight is the :math:`\lambda` above.
        prior: :math:`u`, shape ``[k]``; uniform when None.
        warm_start: start a solve at the last targets; only for calls on the same samples, as in a full batch.
        unsolved: number of calls in which the solver stopped before its criterion was met.
    """

    solver: ExpectationMaximization
    prior: Tensor | None = None
    warm_start: bool = False
    unsolved: int = 0
    _targets: Tensor | None = field(default=None, repr=False)

    def __call__(self, logits: Tensor) -> Tensor:
        """The loss of ``logits``, shape ``[n, k]``, in nats."""
        with torch.no_grad():  # early stops are counted, not warned of: a search may pass through hard spots
            probs = torch.softmax(logits, dim=-1)
            found = self.solver.solve(probs, prior=self.prior, start=self._targets, warn=False)
        self.unsolved += not found.converged
        if self.warm_start:
            self._targets = found.targets
        fairness = fairness_loss(found.targets.mean(0), self.prior)
        return self_labeling_loss(logits, found.targets) + self.solver.fairness_weight * fairness
