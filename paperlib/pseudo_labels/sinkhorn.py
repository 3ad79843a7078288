r"""Pseudo-labels with exact proportions by optimal transport, as in SeLa.

The problem (Asano, Rupprecht and Vedaldi, ICLR 2020, self-labelling via simultaneous clustering; the prior added here):

.. math::
    \min_{y_i \in \Delta^k} \; -\frac1n \sum_{ic} y_{ic} \ln \sigma_{ic} - \frac1s \frac1n \sum_i H(y_i)
    \quad \text{such that} \quad \bar y = \frac1n \sum_i y_i = u.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib._checks import check_positive, check_prior, check_whole
from paperlib.pseudo_labels._laplacian import solve_laplacian
from paperlib.pseudo_labels._rows import check_rows, logsumexp_over_ranks, over_ranks, work_type
from paperlib.pseudo_labels.result import PseudoLabels

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

_EASY = 10.0  # mean range of a row's scores from which Newton's method needs no preparation
_HALVINGS = 30  # of a Newton step, before the scalings are taken
_ENOUGH = 1e-4  # of the rise that the gradient promises


@dataclass(frozen=True)
class Sinkhorn:
    r"""Scale columns to the prior and rows to one in turn, :math:`y_{ic} = \sigma_{ic}^s e^{g_c} / Z_i`, in logarithms.

    Each iteration has such a pair of scalings, and a Newton step for the k numbers :math:`g_c` that is halved until it
    raises the dual :math:`u^\top g - \frac1n \sum_i \ln Z_i(g)` enough, and takes whichever raises it more. The Hessian
    is minus the Laplacian :math:`\operatorname{diag}(\bar y) - \frac1n y^\top y`. Where scores :math:`s \ln \sigma`
    range widely, two iterations for each of a sequence of doubled sharpnesses come first, each from the last one's
    :math:`g / s`.

    Guarantee: the problem is strictly convex and every pair of scalings raises its concave dual, so the limit is the
    optimum; near it Newton's step is taken, and the error squares itself. Up to about forty iterations are usual, where
    scalings alone take thousands (great sharpness, sure predictions). The last step is followed by a correction of
    rank one after which rows and columns fit exactly (Altschuler, Weed and Rigollet, NeurIPS 2017), so the targets are
    feasible, ``value`` is attained, and ``gap`` is its distance from the dual.

    Cost: O(n k^2) an iteration for the Hessian, and five to ten passes over ``[n, k]`` in float64, whatever the type of
    the predictions. When it is slow: a sharpness in the thousands, or more clusters than samples. Zeros: predictions
    are floored at the smallest normal number of their type, since exact proportions may leave no other choice than a
    label where the prediction is zero.

    SeLa trains on ``targets.argmax(1)``; at its sharpness the targets are nearly one-hot, and the proportions of the
    hard labels nearly those of the prior.

    Attributes:
        sharpness: :math:`s`, positive; SeLa's code has 25 on ImageNet and 10 on CIFAR.
        max_iterations: limit on the iterations.
        tolerance: stop when ``gap <= tolerance``, in nats.
    """

    sharpness: float = 10.0
    max_iterations: int = 1000
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_positive(self.sharpness, "sharpness")
        check_positive(self.tolerance, "tolerance")
        check_whole(self.max_iterations, "max_iterations")

    def solve(
        self, probs: Tensor, *, prior: Tensor | None = None, warn: bool = True, group: ProcessGroup | None = None
    ) -> PseudoLabels:
        """Pseudo-labels for predictions ``probs``.

        Args:
            probs: predictions, shape ``[n, k]``, rows of probabilities; no gradient flows through the solver.
            prior: proportions, shape ``[k]``, positive, summing to one; uniform when None.
            warn: whether to warn when it stops early; ``converged`` says so in any case.
            group: ranks over which the rows are sharded, as in `ExpectationMaximization`; an iteration exchanges a
                matrix of ``[k, k]``.

        Raises:
            TypeError: if ``probs`` is not a floating-point tensor.
            ValueError: if a shape does not fit, or rows are not probabilities.
            RuntimeError: if another rank's rows are refused.
        """
        probs, _, n = check_rows(probs, None, group)
        scores = probs.clamp_min(torch.finfo(probs.dtype).tiny).to(work_type(probs)).log_().mul_(self.sharpness)
        dual = _Dual(scores, check_prior(prior, scores), n, group)
        shift, iteration = dual.annealed(self.max_iterations)
        while True:
            feasible, primal, gap = dual.certified(shift)
            gap /= self.sharpness
            if gap <= self.tolerance or iteration == self.max_iterations:
                break
            shift = dual.ascend(shift)
            iteration += 1
        if warn and gap > self.tolerance:
            warnings.warn(
                f"Sinkhorn stopped after {iteration} iterations with a gap of {gap:.3g} nats, above "
                f"{self.tolerance:.3g}; raise max_iterations or tolerance, or lower sharpness (now {self.sharpness:g})",
                ConvergenceWarning,
                stacklevel=2,
            )
        return PseudoLabels(feasible.to(probs.dtype), primal / self.sharpness, iteration, gap <= self.tolerance, gap)


@dataclass(frozen=True)
class _Dual:
    r"""The dual times the sharpness, of scores :math:`s \ln \sigma`, shape ``[rows, k]``, of n rows on all ranks."""

    scores: Tensor
    prior: Tensor
    n: int
    group: ProcessGroup | None

    def mean(self, rows: Tensor) -> Tensor:
        return over_ranks(rows.sum(0), self.group) / self.n

    def log_rows(self, shift: Tensor) -> Tensor:
        return torch.logsumexp(self.scores + shift, dim=1, keepdim=True)

    def value(self, shift: Tensor, log_rows: Tensor) -> Tensor:
        return self.prior @ shift - self.mean(log_rows)[0]

    def annealed(self, limit: int) -> tuple[Tensor, int]:
        """A shift to start from, by two steps for each of a rising sequence of sharpnesses; and how many that were."""
        spread = float(self.mean((self.scores.amax(1) - self.scores.amin(1))[:, None]))
        doublings = min(max(0, math.ceil(math.log2(max(spread, 1) / _EASY))), limit // 2)
        shift = torch.zeros_like(self.prior)
        for power in range(doublings, 0, -1):
            easier = replace(self, scores=self.scores * 0.5**power)
            shift = 2 * easier.ascend(easier.ascend(shift))
        return shift, 2 * doublings

    def ascend(self, shift: Tensor) -> Tensor:
        """The better of a pair of scalings and a Newton step that raises the dual enough."""
        log_rows = self.log_rows(shift)
        log_targets = self.scores - log_rows
        columns = logsumexp_over_ranks(torch.logsumexp(log_targets, dim=0), self.group)
        scaled = (self.prior * self.n).log() - columns
        targets = (log_targets + shift).exp_()
        gradient = self.prior - self.mean(targets)
        direction = solve_laplacian(-over_ranks(targets.T @ targets, self.group) / self.n, gradient)
        if not bool(direction.isfinite().all()):  # a cluster that shares no sample with any other
            return scaled
        here, best, length = self.value(shift, log_rows), self.value(scaled, self.log_rows(scaled)), 1.0
        for _ in range(_HALVINGS):
            moved = shift + length * direction
            value = self.value(moved, self.log_rows(moved))
            if value >= here + _ENOUGH * length * (gradient @ direction):
                return moved if value > best else scaled
            length /= 2
        return scaled

    def certified(self, shift: Tensor) -> tuple[Tensor, float, float]:
        """Feasible targets near those of ``shift``, their value, and its distance from the dual at ``shift``."""
        log_rows = self.log_rows(shift)
        targets = torch.exp(self.scores + shift - log_rows)
        targets *= (self.prior / self.mean(targets).clamp_min(torch.finfo(targets.dtype).tiny)).clamp_max(1)
        missing_rows = (1 - targets.sum(1)).clamp_min(0)
        missing_columns = (self.prior - self.mean(targets)).clamp_min(0)
        if float(missing_columns.sum()) > 0:
            targets += missing_rows[:, None] * (missing_columns / missing_columns.sum())
        value = self.mean((torch.xlogy(targets, targets) - targets * self.scores).sum(1))
        return targets, float(value), max(float(value - self.value(shift, log_rows)), 0.0)
