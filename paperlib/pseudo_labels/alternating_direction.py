r"""The pseudo-labels of Jabi and colleagues' alternating directions (MI-ADM), exactly and in the published closed form.

The problem (arXiv 1810.04246; constants inferred from the authors' code, and the fairness weight and prior added here):

.. math::
    \min_{y_i \in \Delta^k} \; \lambda\, KL(\bar y \| u) - \frac1n \sum_{ic} y_{ic} \ln \sigma_{ic}
    + \frac1n \sum_i KL(y_i \| \sigma_i), \qquad \bar y = \frac1n \sum_i y_i.

It is strictly convex: cross-entropy with weak fairness, and a divergence that holds the labels to the predictions.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib._checks import (
    check_positive,
    check_prior,
    check_probabilities,
    check_weight,
    check_whole,
)
from paperlib.information import kl_divergence
from paperlib.pseudo_labels._rows import check_rows, over_ranks
from paperlib.pseudo_labels.result import PseudoLabels

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@dataclass(frozen=True)
class AlternatingDirection:
    r"""The exact minimiser, :math:`y_{ic} \propto \sigma_{ic}^2 (u_c / \bar y_c)^\lambda`, by a contraction.

    Update: :math:`\ln m \leftarrow \ln m + \frac{1}{1 + \lambda} (\ln \bar y(m) - \ln m)`, where :math:`y(m)` has
    :math:`m` in the place of its own mean.

    Guarantee: the update's Jacobian is :math:`\frac{\lambda}{1 + \lambda}` times a row-stochastic matrix, so the
    largest error of :math:`\ln m` shrinks by that factor or better, from any start (derived here). The stop is a
    certificate: putting :math:`m` for the mean in :math:`\ln \bar y` bounds the problem from below, and at
    :math:`y(m)` the bound is off by exactly :math:`\lambda KL(\bar y \| m)`, which is the gap.

    Cost: O(n k) an update; ``1 + fairness_weight`` updates, about, for each factor 2.7 of accuracy. When it is slow:
    large weights. Zeros: a prediction of zero remains a label of zero, as the problem itself demands.

    Attributes:
        fairness_weight: :math:`\lambda`, at least zero; one is the published problem.
        max_iterations: limit on the updates.
        tolerance: stop when ``gap <= tolerance``, in nats.
    """

    fairness_weight: float = 1.0
    max_iterations: int = 10_000
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_weight(self.fairness_weight, "fairness_weight")
        check_positive(self.tolerance, "tolerance")
        check_whole(self.max_iterations, "max_iterations")

    def solve(
        self,
        probs: Tensor,
        *,
        prior: Tensor | None = None,
        start: Tensor | None = None,
        warn: bool = True,
        group: ProcessGroup | None = None,
    ) -> PseudoLabels:
        """Pseudo-labels for predictions ``probs``.

        Args:
            probs: predictions, shape ``[n, k]``, rows of probabilities; no gradient flows through the solver.
            prior: target proportions, shape ``[k]``, positive, summing to one; uniform when None.
            start: targets of a similar problem, shape ``[n, k]``, of which the mean is used; every start will do.
            warn: whether to warn when it stops early; ``converged`` says so in any case.
            group: ranks over which the rows are sharded, as in `ExpectationMaximization`.

        Raises:
            TypeError: if ``probs`` or ``start`` is not a floating-point tensor.
            ValueError: if a shape does not fit, or rows are not probabilities.
            RuntimeError: if another rank's rows are refused.
        """
        probs, start, n = check_rows(probs, start, group)
        prior = check_prior(prior, probs)
        weight, log_probs = float(self.fairness_weight), probs.log()
        mean = (prior if start is None else over_ranks(start.sum(0), group) / n).clamp_min(
            torch.finfo(probs.dtype).tiny
        )
        log_mean, iteration = mean.log(), 0
        while True:
            targets = torch.softmax(2 * log_probs + weight * (prior.log() - log_mean), dim=1)
            marginal = over_ranks(targets.sum(0), group) / n
            gap = weight * float(kl_divergence(marginal, log_mean.exp()))
            if gap <= self.tolerance or iteration == self.max_iterations:
                break
            log_mean = log_mean + (marginal.clamp_min(torch.finfo(probs.dtype).tiny).log() - log_mean) / (1 + weight)
            iteration += 1
        if warn and gap > self.tolerance:
            warnings.warn(
                f"AlternatingDirection stopped after {iteration} iterations with a gap of {gap:.3g} nats, above "
                f"{self.tolerance:.3g}; raise max_iterations or tolerance, or lower fairness_weight (now {weight:g})",
                ConvergenceWarning,
                stacklevel=2,
            )
        value = float(weight * kl_divergence(marginal, prior) + over_ranks(_held(probs, targets), group) / n)
        return PseudoLabels(targets, value, iteration, gap <= self.tolerance, gap)


@dataclass(frozen=True)
class ClosedFormAlternatingDirection:
    r"""The closed form in use, :math:`y_{ic} \propto \sigma_{ic}^2 / (\sum_j \sigma_{jc}^2)^{1/2}`.

    It neglects the normalisers of the rows while it eliminates the mean, so it is approximate: ``gap``, which is exact,
    says by how much at most, and ``converged`` is True only where that is within ``tolerance``. With a weight and a
    prior the exponents become :math:`(u_c / \sum_j \sigma_{jc}^2)^{\lambda / (1 + \lambda)}`. Cost: O(n k), once.

    Source: the published codes of DEPICT and of transductive information maximisation use this form; see
    `AlternatingDirection` for the problem.

    Attributes:
        fairness_weight: :math:`\lambda`, at least zero; one is the published form.
        tolerance: in nats.
    """

    fairness_weight: float = 1.0
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_weight(self.fairness_weight, "fairness_weight")
        check_positive(self.tolerance, "tolerance")

    def solve(self, probs: Tensor, *, prior: Tensor | None = None, warn: bool = True) -> PseudoLabels:
        """Pseudo-labels for predictions ``probs``; arguments and errors as those of `AlternatingDirection`.

        A closed form always ends, so there is nothing to warn of.
        """
        probs = check_probabilities(probs, "probs").detach()
        prior = check_prior(prior, probs)
        weight, log_squares = float(self.fairness_weight), 2 * probs.log()
        share = weight / (1 + weight)
        tiny = math.log(torch.finfo(probs.dtype).tiny)  # a cluster that no prediction gives anything
        shift = share * (prior.log() - torch.logsumexp(log_squares, dim=0).clamp_min(tiny))
        targets = torch.softmax(log_squares + shift, dim=1)
        # The labels are those of the contraction at the mean whose weighted logarithm is this shift, up to a constant,
        # and any such mean gives a lower bound: the best constant makes it sum to one.
        gap = 0.0
        if weight > 0:
            log_mean = torch.log_softmax(prior.log() - shift / weight, dim=0)
            gap = weight * float(kl_divergence(targets.mean(0), log_mean.exp()))
        value = splitting_objective(probs, targets, weight, prior)
        return PseudoLabels(targets, value, 1, gap <= self.tolerance, gap)


def splitting_objective(probs: Tensor, targets: Tensor, fairness_weight: float, prior: Tensor) -> float:
    """The problem's value at ``targets``, in nats; infinite where a target is positive and its prediction zero."""
    fair = fairness_weight * kl_divergence(targets.mean(0), prior)
    return float(fair + _held(probs, targets) / len(probs))


def _held(probs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of targets and predictions, and their divergence, summed over the rows."""
    return (2 * kl_divergence(targets, probs) - torch.xlogy(targets, targets).sum(1)).sum()
