"""Projected gradient descent for pseudo-labels: the baseline that the papers compare their EM with."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib._checks import (
    check_positive,
    check_prior,
    check_probabilities,
    check_start,
    check_weight,
    check_whole,
)
from paperlib.pseudo_labels.em import duality_gap, objective
from paperlib.pseudo_labels.result import PseudoLabels


@dataclass(frozen=True)
class ProjectedGradient:
    r"""Steps :math:`y_i \leftarrow \Pi_{\Delta} [y_i + \eta (\sigma_{ic} / y_{ic} + \lambda u_c / \bar y_c)_c]`.

    The problem is that of `paperlib.pseudo_labels.em`; :math:`\Pi_\Delta` is the Euclidean projection on the
    probabilities of at least ``floor``, and the bracket n times the negative gradient. A baseline: use
    `ExpectationMaximization` or `DualNewton`.

    Guarantee: the value falls at each step if :math:`\eta` is below two over the largest curvature met, which is
    :math:`\sigma_{ic} / y_{ic}^2` and more and has no bound near zero: so no fixed step is safe, and a small one is
    slow. The stop is the certificate of EM. Fails by oscillating where the step is too large, else by crawling.

    Cost: O(n k log k) a step, for the projection sorts each row; the gap, as of EM, at steps 1, 2, 4, 8, ...

    Attributes:
        fairness_weight: :math:`\lambda`, at least zero.
        step_size: :math:`\eta`, positive.
        max_iterations: limit on the steps.
        tolerance: stop when ``gap <= tolerance``, in nats.
        floor: least entry of a target, positive and small: it limits the gap that can be reached.

    Source: the comparisons of arXiv 2301.11405 and 2303.07321, which run it with several step sizes.
    """

    fairness_weight: float = 1.0
    step_size: float = 1e-3
    max_iterations: int = 10_000
    tolerance: float = 1e-5
    floor: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_weight(self.fairness_weight, "fairness_weight")
        for name in ("step_size", "tolerance", "floor"):
            check_positive(getattr(self, name), name)
        check_whole(self.max_iterations, "max_iterations")

    def solve(
        self, probs: Tensor, *, prior: Tensor | None = None, start: Tensor | None = None, warn: bool = True
    ) -> PseudoLabels:
        """Pseudo-labels for predictions ``probs``.

        Args:
            probs: predictions, shape ``[n, k]``, rows of probabilities; no gradient flows through the solver.
            prior: target proportions, shape ``[k]``, positive, summing to one; uniform when None.
            start: first targets, shape ``[n, k]``; uniform when None, as in the papers' comparison.
            warn: whether to warn when it stops early; ``converged`` says so in any case.

        Raises:
            TypeError: if ``probs`` or ``start`` is not a floating-point tensor.
            ValueError: if a shape does not fit, rows are not probabilities, or ``floor`` times k is not below one.
        """
        probs = check_probabilities(probs, "probs").detach()
        prior = check_prior(prior, probs)
        k, weight = probs.shape[1], float(self.fairness_weight)
        if not self.floor * k < 1:
            raise ValueError(f"floor={self.floor:g} is too large for k={k} clusters; give less than {1 / k:g}")
        start = check_start(start, probs)
        first = torch.full_like(probs, 1 / k) if start is None else start
        targets, positive = project_on_simplex(first, self.floor), probs.clamp_min(torch.finfo(probs.dtype).tiny ** 0.5)
        iteration, next_check, gap = 0, 1, math.inf
        while iteration < self.max_iterations and not gap <= self.tolerance:
            ascent = probs / targets + weight * prior / targets.mean(0)
            targets = project_on_simplex(targets + self.step_size * ascent, self.floor)
            iteration += 1
            if iteration == next_check or iteration == self.max_iterations:
                next_check *= 2
                gap = duality_gap(positive, targets, weight, prior)
        converged = gap <= self.tolerance
        if warn and not converged:
            warnings.warn(
                f"ProjectedGradient stopped after {iteration} iterations with a gap of {gap:.3g} nats, above "
                f"{self.tolerance:.3g}; raise max_iterations, change step_size (now {self.step_size:g}), or take EM",
                ConvergenceWarning,
                stacklevel=2,
            )
        return PseudoLabels(targets, objective(probs, targets, weight, prior), iteration, converged, gap)


def project_on_simplex(points: Tensor, floor: float = 0.0) -> Tensor:
    """The nearest rows of probabilities with entries of at least ``floor``, for ``points`` of shape ``[n, k]``.

    Subtracts from each row the number after which its positive parts sum to one, found by sorting: O(n k log k).
    Source: Held, Wolfe and Crowder, Mathematical Programming 6 (1974).
    """
    mass = 1 - floor * points.shape[1]
    ordered = (points - floor).sort(dim=1, descending=True).values
    counts = torch.arange(1, points.shape[1] + 1, dtype=points.dtype, device=points.device)
    thresholds = (ordered.cumsum(1) - mass) / counts
    last = (ordered > thresholds).sum(1, keepdim=True).clamp_min(1) - 1
    return (points - floor - thresholds.gather(1, last)).clamp_min(0) + floor
