r"""Expectation-maximisation for pseudo-labels: three convex problems, each with monotone updates and a certificate.

The first is that of Zhang and Boykov (arXiv 2301.11405), reverse cross-entropy and strong fairness:

.. math::
    \min_{y_i \in \Delta^k} \; -\frac1n \sum_{ic} \sigma_{ic} \ln y_{ic} \;-\; \lambda \sum_c u_c \ln \bar y_c,
    \qquad \bar y_c = \frac1n \sum_i y_{ic}.

The others, with collision cross-entropy (arXiv 2303.07321), are in `paperlib.pseudo_labels.collision`.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib._checks import check_positive, check_prior, check_weight, check_whole
from paperlib.information import cross_entropy, kl_divergence
from paperlib.pseudo_labels._rows import ABREAST, Rows, check_rows, over_ranks, work_type
from paperlib.pseudo_labels.collision import CollisionForward, CollisionReverse, RowFunction, normalize_
from paperlib.pseudo_labels.result import PseudoLabels

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


class ReverseCrossEntropy:
    """Reverse cross-entropy with strong fairness: its updates, value and gap, as functions of a chunk of rows."""

    default_tolerance = 1e-5

    def __init__(self, weight: float, prior: Tensor, dtype: torch.dtype) -> None:
        self.weight, self.prior, self.dtype = weight, prior, dtype

    def without_fairness(self, probs: Tensor, targets: Tensor) -> Tensor:
        """Write the targets for weight zero; returns the sum of their values."""
        targets.copy_(probs)
        return cross_entropy(probs, probs).sum()

    def update(self, marginal: Tensor) -> RowFunction:
        """One update for targets of the given marginal; returns the sum of the new ones, ``[k]``."""
        pull = (self.weight * self.prior / marginal).to(self.dtype)
        pull_abreast = pull.repeat(ABREAST)

        def update(probs: Tensor, targets: Tensor) -> Tensor:
            if len(probs) % ABREAST or not (probs.is_contiguous() and targets.is_contiguous()):
                torch.addcmul(probs, targets, pull, out=targets)
            else:  # the same, several rows at a time: torch is slow on short rows
                wide = targets.view(-1, len(pull_abreast))
                torch.addcmul(probs.view_as(wide), wide, pull_abreast, out=wide)
            return normalize_(targets)

        return update

    def certificate(self, marginal: Tensor) -> RowFunction:
        """The sum of the rows' values, and that of their duality gaps."""
        slopes = self.weight * self.prior / marginal

        def certificate(probs: Tensor, targets: Tensor) -> Tensor:
            gaps = _row_gaps(probs, targets, slopes)
            return torch.stack((cross_entropy(probs, targets).sum(), gaps.sum()))

        return certificate

    def fairness(self, marginal: Tensor) -> float:
        """Weighted cross-entropy of prior and marginal."""
        return self.weight * float(cross_entropy(self.prior, marginal))


_PROBLEMS: dict[tuple[str, str], type[ReverseCrossEntropy | CollisionForward]] = {
    ("reverse_cross_entropy", "forward"): ReverseCrossEntropy,
    ("collision_cross_entropy", "forward"): CollisionForward,
    ("collision_cross_entropy", "reverse"): CollisionReverse,
}


@dataclass(frozen=True)
class ExpectationMaximization:
    r"""Multiplicative updates of the targets until a certificate closes; one k-vector is all that rows share.

    With ``divergence="reverse_cross_entropy"`` the update is
    :math:`y_{ic} \propto \sigma_{ic} + \lambda u_c\, y_{ic} / \bar y_c`. With ``"collision_cross_entropy"`` it is
    :math:`y_{ic} \propto y_{ic} (\sigma_{ic} / \sigma_i^\top y_i + \lambda u_c / \bar y_c)` for
    ``direction="forward"``, and for ``"reverse"`` an equation in one variable for each row.

    Guarantee: the value never rises (Jensen's inequality), and since each problem is convex the limit from a positive
    start is its optimum. The stop is a certificate: ``gap`` bounds how far the value can be from the optimum.

    Cost: O(n k) an iteration. On the CPU rows are taken in chunks that stay in the cache: two arrays are read and one
    is written, and an iteration on large arrays costs about three copies of one (``benchmarks/em_iteration.py``);
    about ten times that with collision and ``"reverse"``. The gap is computed at iterations 1, 2, 4, 8, ... and costs
    about as much as ten iterations. No array of ``[n, k]`` is made but the targets, and none with ``out``.

    When it fails: the rate is linear and degrades with the fairness weight. From the predictions themselves a handful
    of iterations suffice for a weight near one; hundreds to thousands are needed for weights of ten and more. The
    optimum under collision cross-entropy has mostly hard labels, and soft ones where two clusters are tied: the gap
    falls with the square of the iterations only, and the default tolerance is looser.

    Zeros: an update cannot leave zero, so a start with zeros is first mixed with a little of the prior (the square
    root of the rounding unit), and predictions are floored at the square root of the smallest number.

    Attributes:
        fairness_weight: :math:`\lambda`, at least zero; zero returns the predictions, or under collision cross-entropy
            the likeliest clusters as hard labels.
        max_iterations: limit on the updates.
        tolerance: stop when ``gap <= tolerance``, in nats; None is 1e-5, and 1e-3 under collision cross-entropy.
        divergence: which coupling of predictions and targets.
        direction: of fairness, as in `paperlib.losses.fairness_loss`; ``"reverse"`` only with collision cross-entropy.

    Source: arXiv 2301.11405 and 2303.07321, the pseudo-label optimisation by EM; the reverse direction's update and all
    certificates are ours.
    """

    fairness_weight: float = 1.0
    max_iterations: int = 1000
    tolerance: float | None = None
    divergence: Literal["reverse_cross_entropy", "collision_cross_entropy"] = "reverse_cross_entropy"
    direction: Literal["forward", "reverse"] = "forward"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_weight(self.fairness_weight, "fairness_weight")
        check_whole(self.max_iterations, "max_iterations")
        if self.tolerance is not None:
            check_positive(self.tolerance, "tolerance")
        if (self.divergence, self.direction) not in _PROBLEMS:
            allowed = " or ".join(f"divergence={a!r} with direction={b!r}" for a, b in _PROBLEMS)
            raise ValueError(
                f"divergence={self.divergence!r} with direction={self.direction!r} has no EM here; use {allowed}"
            )

    def solve(
        self,
        probs: Tensor,
        *,
        prior: Tensor | None = None,
        start: Tensor | None = None,
        warn: bool = True,
        out: Tensor | None = None,
        group: ProcessGroup | None = None,
    ) -> PseudoLabels:
        """Pseudo-labels for predictions ``probs``.

        Args:
            probs: predictions, shape ``[n, k]``, rows of probabilities; no gradient flows through the solver. They and
                ``out`` may be larger than memory: ``torch.from_numpy(numpy.memmap(...))``.
            prior: target proportions, shape ``[k]``, positive, summing to one; uniform when None.
            start: first targets, shape ``[n, k]``; the predictions when None. Pass the last targets to warm-start.
            warn: whether to warn when it stops early; ``converged`` says so in any case.
            out: where to write the targets, like ``probs``; may be ``start``. A new tensor when None.
            group: ranks of ``torch.distributed`` over which the rows are sharded; each calls this with its own rows (it
                may have none) and the same k and settings, and has its own targets back. ``value``, ``gap`` and the
                iterations are those of all rows. An iteration exchanges one vector of ``[k]``.

        Raises:
            TypeError: if ``probs`` or ``start`` is not a floating-point tensor.
            ValueError: if a shape does not fit, rows are not probabilities, or ``out`` is not like ``probs``.
            RuntimeError: if another rank's rows are refused.
        """
        probs, start, n = check_rows(probs, start, group, out)
        prior = check_prior(prior, probs[:0].to(work_type(probs)))
        problem = _PROBLEMS[self.divergence, self.direction](float(self.fairness_weight), prior, probs.dtype)
        tolerance = problem.default_tolerance if self.tolerance is None else self.tolerance
        targets = torch.empty_like(probs) if out is None else out.detach()
        with Rows(probs, targets, group=group) as rows:
            if problem.weight == 0:
                value = float(rows.sum(problem.without_fairness)) / n
                return PseudoLabels(targets, value, 0, True, 0.0)
            targets.copy_(probs if start is None else start)
            floor = torch.finfo(probs.dtype).tiny ** 0.5
            p_zeros, y_zeros = (len(array) > 0 and bool(array.min() < floor) for array in (probs, targets))
            if group is not None:
                y_zeros = bool(over_ranks(torch.tensor(int(y_zeros), device=probs.device), group))
            marginal = rows.sum(lambda _, y: y.sum(0)) / n
            if y_zeros:
                share = torch.finfo(probs.dtype).eps ** 0.5
                targets.mul_(1 - share).add_((share * prior).to(probs.dtype))
                marginal = (1 - share) * marginal + share * prior

            def total(function: RowFunction) -> Tensor:
                return rows.sum(lambda p, y: function(p.clamp_min(floor), y)) if p_zeros else rows.sum(function)

            iteration, next_check, value, gap = 0, 1, math.inf, math.inf
            while iteration < self.max_iterations and not gap <= tolerance:
                marginal = total(problem.update(marginal)) / n
                iteration += 1
                if iteration == next_check or iteration == self.max_iterations:
                    next_check *= 2
                    value, gap = (total(problem.certificate(marginal)) / n).tolist()
        converged = gap <= tolerance
        if warn and not converged:
            warnings.warn(
                f"EM stopped after {iteration} iterations with a gap of {gap:.3g} nats, above {tolerance:.3g}; "
                f"raise max_iterations or tolerance, or lower fairness_weight (now {problem.weight:g})",
                ConvergenceWarning,
                stacklevel=2,
            )
        return PseudoLabels(targets, value + problem.fairness(marginal), iteration, converged, gap)


def objective(probs: Tensor, targets: Tensor, fairness_weight: float, prior: Tensor) -> float:
    """The problem's value at ``targets``: reverse cross-entropy plus weighted cross-entropy of prior and marginal."""
    return float(cross_entropy(probs, targets).mean() + fairness_weight * cross_entropy(prior, targets.mean(0)))


def duality_gap(probs: Tensor, targets: Tensor, fairness_weight: float, prior: Tensor) -> float:
    r"""Upper bound of the distance from ``targets`` to the optimum, in nats; it closes as the targets converge.

    With slopes :math:`w_c = \lambda u_c / \bar y_c` (the tangent of :math:`-\lambda u_c \ln` at the marginal) and any
    multipliers :math:`\mu_i > \max_c w_c`, the Lagrangian bounds the optimum from below, and the gap to it is the
    generalised Kullback-Leibler divergence from the residuals of the optimality conditions:

    .. math::
        \frac1n \sum_{ic} \bigl[ r_{ic} - \sigma_{ic} - \sigma_{ic} \ln (r_{ic} / \sigma_{ic}) \bigr],
        \qquad r_{ic} = y_{ic} (\mu_i - w_c).

    Every term is at least zero, so rounding cannot make a gap look closed by cancellation. It is smallest where
    :math:`\sum_c \sigma_{ic} / (\mu_i - w_c) = 1`: the reciprocal of the sum is concave, so Newton's method on that
    rises from the left. Any iterate is valid; stopping early only loosens the bound. Derived here by convex duality.
    Cost: O(n k) for each of about four Newton steps.

    Args:
        probs: predictions, shape ``[n, k]``, positive.
        targets: pseudo-labels, shape ``[n, k]``, positive.
        fairness_weight: :math:`\lambda`.
        prior: shape ``[k]``.
    """
    return float(_row_gaps(probs, targets, fairness_weight * prior / targets.mean(0)).mean())


def _row_gaps(probs: Tensor, targets: Tensor, slopes: Tensor) -> Tensor:
    below_steepest = (slopes.max() - slopes).to(probs.dtype)  # multipliers are an excess over the steepest slope,
    excess = (probs - below_steepest).amax(1, keepdim=True)  # [n, 1], which may be far below the slopes' rounding unit
    enough = torch.finfo(probs.dtype).eps ** 0.25  # of a step: the next would be its square, and move the gap by that's
    for _ in range(50):
        distance = below_steepest + excess
        ratio = probs / distance
        total = ratio.sum(1, keepdim=True)
        step = total * (total - 1).clamp_min(0) / (ratio / distance).sum(1, keepdim=True)
        excess += step
        if bool((step <= enough * excess).all()):
            break
    return kl_divergence(probs, targets * (below_steepest + excess))
