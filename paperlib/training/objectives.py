"""Objectives with their settings bound: callables from logits to a scalar that an optimiser minimises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from paperlib.information import entropy
from paperlib.losses import fairness_loss, mutual_information_loss, self_labeling_loss
from paperlib.losses.fairness import FairnessDirection
from paperlib.losses.self_labeling import Divergence
from paperlib.pseudo_labels import (
    AlternatingDirection,
    ClosedFormAlternatingDirection,
    DualNewton,
    ExpectationMaximization,
    ProjectedGradient,
    PseudoLabels,
    Sinkhorn,
)
from paperlib.training.mean_prediction import mean_prediction


class Objective(Protocol):
    """What an optimiser minimises: a function of the logits, and of which samples they belong to."""

    def __call__(self, logits: Tensor, index: Tensor | None = None, /) -> Tensor:
        """A scalar; ``index`` ``[b]`` has the places of a batch's samples in the data, None is all in their order.

        The logits are ``[b, k]``, or ``[v, b, k]`` where `train` shows each sample in several views.
        """
        ...


@dataclass(frozen=True)
class MutualInformation:
    """:func:`paperlib.losses.mutual_information_loss` with its weight and prior, of the mean prediction over views."""

    fairness_weight: float = 1.0
    prior: Tensor | None = None

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[n, k]`` or ``[v, n, k]``, in nats."""
        logits = mean_prediction(logits)
        return mutual_information_loss(logits, fairness_weight=self.fairness_weight, prior=self.prior)


class PseudoLabelSolver(Protocol):
    """A solver of `paperlib.pseudo_labels`: ``solve(probs, prior=..., warn=...)``, most with ``start=...``."""

    @property
    def solve(self) -> Callable[..., PseudoLabels]:
        """Pseudo-labels for predictions ``[n, k]``."""
        ...


@dataclass
class SelfLabeling:
    r"""The least value that a solver's problem has over all pseudo-labels, as a function of the logits alone.

    The pseudo-labels are solved for at every call, so they are no variables of the search, and the gradient is that of
    the problem with the pseudo-labels held fixed (envelope theorem). With `ExpectationMaximization` or `DualNewton` it
    is the self-labelling loss of Zhang and Boykov (arXiv 2301.11405),

    .. math::
        \min_y \; \frac1n \sum_i H(\sigma_i, y_i) + \lambda\, KL(u \| \bar y);

    every other solver's problem is in its documentation, and `pseudo_label_loss` has the terms of each. The views of a
    sample share its pseudo-label: it is solved for from their mean prediction, and each view is coupled to it.

    Attributes:
        solver: the pseudo-label solver, with its weights.
        divergence: couple the model to the pseudo-labels by this instead of the solver's own; then the loss is no
            longer the least value of one problem.
        prior: :math:`u`, shape ``[k]``; uniform when None.
        warm_start: start a solve at the last targets; only for calls on the same samples, as in a full batch, and for
            solvers that take a start (`Sinkhorn` does not).
        unsolved: number of calls in which the solver stopped before its criterion was met.
    """

    solver: PseudoLabelSolver
    prior: Tensor | None = None
    warm_start: bool = False
    divergence: Divergence | None = None
    unsolved: int = field(default=0, compare=False)
    _targets: Tensor | None = field(default=None, repr=False, compare=False)

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[n, k]`` or ``[v, n, k]``, in nats.

        Raises:
            ValueError: if ``warm_start`` is set and ``index`` says that this is a batch.
        """
        if self.warm_start and index is not None:
            raise ValueError("warm_start is for calls on the same samples, not for batches; leave it out")
        with torch.no_grad():  # early stops are counted, not warned of: a search may pass through hard spots
            probs = torch.softmax(mean_prediction(logits), dim=-1)
            warm = {} if self._targets is None else {"start": self._targets}
            found = self.solver.solve(probs, prior=self.prior, warn=False, **warm)
        self.unsolved += not found.converged
        if self.warm_start:
            self._targets = found.targets
        return pseudo_label_loss(logits, found.targets, self.solver, self.prior, self.divergence)


def pseudo_label_loss(
    logits: Tensor,
    targets: Tensor,
    solver: PseudoLabelSolver,
    prior: Tensor | None,
    divergence: Divergence | None = None,
) -> Tensor:
    r"""The problem that ``solver`` minimises over the targets, in nats, differentiable in the logits.

    - `Sinkhorn`: :math:`\frac1n \sum_i [H(y_i, \sigma_i) - H(y_i) / s]`, the proportions being exact;
    - `AlternatingDirection`: :math:`\frac1n \sum_i [2 H(y_i, \sigma_i) - H(y_i)] + \lambda KL(\bar y \| u)`;
    - the others: their divergence plus :math:`\lambda` times fairness in their direction.

    Args:
        logits: shape ``[n, k]``, or ``[v, n, k]`` for the mean of the coupling over views.
        targets: pseudo-labels, shape ``[n, k]``.
        solver: of which problem.
        prior: shape ``[k]``; uniform when None.
        divergence: the coupling; the solver's own when None.
    """
    coupling = coupling_loss(logits, targets, solver, divergence)
    if isinstance(solver, Sinkhorn):
        return coupling
    direction: FairnessDirection = "forward"
    if isinstance(solver, AlternatingDirection | ClosedFormAlternatingDirection):
        direction = "reverse"
    elif isinstance(solver, ExpectationMaximization):
        direction = solver.direction
    fairness = fairness_loss(targets.mean(0), prior, direction=direction)
    return coupling + solver.fairness_weight * fairness  # type: ignore[attr-defined]


def coupling_loss(
    logits: Tensor, targets: Tensor, solver: PseudoLabelSolver, divergence: Divergence | None = None
) -> Tensor:
    """The part of `pseudo_label_loss` that the logits are in; a mean over samples and views, in nats."""
    if divergence is not None:
        return shared_label_loss(logits, targets, divergence)
    if isinstance(solver, Sinkhorn):
        return shared_label_loss(logits, targets, "cross_entropy") - entropy(targets).mean() / solver.sharpness
    if isinstance(solver, AlternatingDirection | ClosedFormAlternatingDirection):
        return 2 * shared_label_loss(logits, targets, "cross_entropy") - entropy(targets).mean()
    if isinstance(solver, DualNewton | ProjectedGradient):
        return shared_label_loss(logits, targets, "reverse_cross_entropy")
    if isinstance(solver, ExpectationMaximization):
        return shared_label_loss(logits, targets, solver.divergence)
    raise TypeError(f"{type(solver).__name__} has no loss here; use a solver of paperlib.pseudo_labels")


def shared_label_loss(logits: Tensor, targets: Tensor, divergence: Divergence) -> Tensor:
    """:func:`paperlib.losses.self_labeling_loss` of ``[b, k]``, or of views ``[v, b, k]`` that share the labels."""
    if logits.ndim == 3:
        targets = targets.expand_as(logits).flatten(0, 1)
        logits = logits.flatten(0, 1)
    return self_labeling_loss(logits, targets, divergence=divergence)
