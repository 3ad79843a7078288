r"""Expectation-maximisation for pseudo-labels under reverse cross-entropy and strong fairness.

The problem (Zhang and Boykov, arXiv 2301.11405), convex in the targets:

.. math::
    \min_{y_i \in \Delta^k} \; -\frac1n \sum_{ic} \sigma_{ic} \ln y_{ic} \;-\; \lambda \sum_c u_c \ln \bar y_c,
    \qquad \bar y_c = \frac1n \sum_i y_{ic}.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib._checks import check_prior, check_probabilities, check_start, check_weight, check_whole
from paperlib.information import cross_entropy, kl_divergence
from paperlib.pseudo_labels.result import PseudoLabels


@dataclass(frozen=True)
class ExpectationMaximization:
    r"""Multiplicative updates :math:`y_{ic} \propto \sigma_{ic} + \lambda u_c\, y_{ic} / \bar y_c` to a closed gap.

    Guarantee: the value never rises (Jensen's inequality on :math:`-\ln \bar y_c`), and since the problem is convex
    the limit from a positive start is its optimum. The stop is a certificate: ``gap`` bounds how far the value can
    be from the optimum.

    Cost: O(n k) an iteration, with three arrays of ``[n, k]`` in memory and some more while the gap is computed, at
    iterations 1, 2, 4, 8, ..., which costs about as much as ten iterations.

    When it fails: the rate is linear and degrades with the fairness weight. From the predictions themselves a handful
    of iterations suffice for a weight near one; hundreds to thousands are needed for weights of ten and more.

    Zeros: an update cannot leave zero, so a start with zeros is first mixed with a little of the prior (the square
    root of the rounding unit), and predictions are floored at the square root of the smallest number.

    Attributes:
        fairness_weight: :math:`\lambda`, at least zero; zero returns the predictions.
        max_iterations: limit on the updates.
        tolerance: stop when ``gap <= tolerance``, in nats.

    Source: arXiv 2301.11405, the pseudo-label optimisation by EM.
    """

    fairness_weight: float = 1.0
    max_iterations: int = 1000
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_weight(self.fairness_weight, "fairness_weight")
        check_whole(self.max_iterations, "max_iterations")
        if not 0 < self.tolerance < math.inf:
            raise ValueError(f"tolerance must be positive and finite, got {self.tolerance!r}")

    def solve(
        self, probs: Tensor, *, prior: Tensor | None = None, start: Tensor | None = None, warn: bool = True
    ) -> PseudoLabels:
        """Pseudo-labels for predictions ``probs``.

        Args:
            probs: predictions, shape ``[n, k]``, rows of probabilities; no gradient flows through the solver.
            prior: target proportions, shape ``[k]``, positive, summing to one; uniform when None.
            start: first targets, shape ``[n, k]``; the predictions when None. Pass the last targets to warm-start.
            warn: whether to warn when it stops early; ``converged`` says so in any case.

        Raises:
            TypeError: if ``probs`` or ``start`` is not a floating-point tensor.
            ValueError: if a shape does not fit, or rows are not probabilities.
        """
        probs = check_probabilities(probs, "probs").detach()
        prior = check_prior(prior, probs)
        weight = float(self.fairness_weight)
        if weight == 0:
            return PseudoLabels(probs.clone(), float(cross_entropy(probs, probs).mean()), 0, True, 0.0)
        start = check_start(start, probs)
        targets = probs if start is None else start
        floor = torch.finfo(probs.dtype).tiny ** 0.5
        if bool(targets.min() < floor):
            share = torch.finfo(probs.dtype).eps ** 0.5
            targets = (1 - share) * targets + share * prior
        probs = probs.clamp_min(floor)

        pull = weight * prior
        iteration, next_check, gap = 0, 1, float("inf")
        while iteration < self.max_iterations and not gap <= self.tolerance:
            targets = torch.addcmul(probs, targets, pull / targets.mean(0))
            targets /= targets.sum(1, keepdim=True)
            iteration += 1
            if iteration == next_check or iteration == self.max_iterations:
                next_check *= 2
                gap = duality_gap(probs, targets, weight, prior)
        converged = gap <= self.tolerance
        if warn and not converged:
            warnings.warn(
                f"EM stopped after {iteration} iterations with a gap of {gap:.3g} nats, above {self.tolerance:.3g}; "
                f"raise max_iterations or tolerance, or lower fairness_weight (now {weight:g})",
                ConvergenceWarning,
                stacklevel=2,
            )
        return PseudoLabels(targets, objective(probs, targets, weight, prior), iteration, converged, gap)


def objective(probs: Tensor, targets: Tensor, fairness_weight: float, prior: Tensor) -> float:
    """The problem's value at ``targets``: reverse cross-entropy plus weighted cross-entropy of prior and marginal."""
    return float(cross_entropy(probs, targets).mean() + fairness_weight * cross_entropy(prior, targets.mean(0)))


def duality_gap(probs: Tensor, targets: Tensor, fairness_weight: float, prior: Tensor, *, n_newton: int = 50) -> float:
    r"""Upper bound of the distance from ``targets`` to the optimum, in nats; it closes as the targets converge.

    With slopes :math:`w_c = \lambda u_c / \bar y_c` (the tangent of :math:`-\lambda u_c \ln` at the marginal) and any
    multipliers :math:`\mu_i > \max_c w_c`, the Lagrangian bounds the optimum from below, and the gap to it is the
    generalised Kullback-Leibler divergence from the residuals of the optimality conditions:

    .. math::
        \frac1n \sum_{ic} \bigl[ r_{ic} - \sigma_{ic} - \sigma_{ic} \ln (r_{ic} / \sigma_{ic}) \bigr],
        \qquad r_{ic} = y_{ic} (\mu_i - w_c).

    Every term is at least zero, so rounding cannot make a gap look closed by cancellation. It is smallest where
    :math:`\sum_c \sigma_{ic} / (\mu_i - w_c) = 1`, which Newton's method approaches from the left; any iterate is
    valid, so stopping early only loosens the bound. Derived here by convex duality. Cost: O(n k) for each of about
    ten Newton steps.

    Args:
        probs: predictions, shape ``[n, k]``, positive.
        targets: pseudo-labels, shape ``[n, k]``, positive.
        fairness_weight: :math:`\lambda`.
        prior: shape ``[k]``.
        n_newton: limit on the Newton steps.
    """
    slopes = fairness_weight * prior / targets.mean(0)
    below_steepest = slopes.max() - slopes  # [k]; multipliers are kept as an excess over the steepest slope,
    excess = (probs - below_steepest).amax(1, keepdim=True)  # [n, 1], which may be far below the slopes' rounding unit
    accuracy = 4 * torch.finfo(probs.dtype).eps
    for _ in range(n_newton):
        distance = below_steepest + excess
        ratio = probs / distance
        step = (ratio.sum(1, keepdim=True) - 1).clamp_min(0) / (ratio / distance).sum(1, keepdim=True)
        excess = excess + step
        if bool((step <= accuracy * excess).all()):
            break
    return float(kl_divergence(probs, targets * (below_steepest + excess)).mean())
