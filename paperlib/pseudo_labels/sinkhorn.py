r"""Pseudo-labels with exact proportions by optimal transport, as in SeLa.

The problem (Asano, Rupprecht and Vedaldi, ICLR 2020, self-labelling via simultaneous clustering; the prior added here):

.. math::
    \min_{y_i \in \Delta^k} \; -\frac1n \sum_{ic} y_{ic} \ln \sigma_{ic} - \frac1s \frac1n \sum_i H(y_i)
    \quad \text{such that} \quad \bar y = \frac1n \sum_i y_i = u.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib._checks import check_positive, check_prior, check_probabilities, check_whole
from paperlib.pseudo_labels.result import PseudoLabels


@dataclass(frozen=True)
class Sinkhorn:
    r"""Scale columns to the prior and rows to one in turn, :math:`y_{ic} = \sigma_{ic}^s e^{g_c} / Z_i`, in logarithms.

    Guarantee: the problem is strictly convex, every pair of scalings raises its dual, and the limit is the optimum. The
    last pair is followed by a correction of rank one after which rows and columns fit exactly (Altschuler, Weed and
    Rigollet, NeurIPS 2017), so the targets are feasible, ``value`` is attained, and ``gap`` is its distance from the
    dual.

    Cost: O(n k) a pair of scalings. When it is slow: the rate degrades as ``sharpness`` grows, and with it the spread
    of :math:`s \ln \sigma`. Zeros: predictions are floored at the smallest normal number of their type, since exact
    proportions may leave no other choice than a label where the prediction is zero.

    SeLa trains on ``targets.argmax(1)``; at its sharpness the targets are nearly one-hot, and the proportions of the
    hard labels nearly those of the prior.

    Attributes:
        sharpness: :math:`s`, positive; SeLa's code has 25 on ImageNet and 10 on CIFAR.
        max_iterations: limit on the pairs of scalings.
        tolerance: stop when ``gap <= tolerance``, in nats.
    """

    sharpness: float = 10.0
    max_iterations: int = 10_000
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_positive(self.sharpness, "sharpness")
        check_positive(self.tolerance, "tolerance")
        check_whole(self.max_iterations, "max_iterations")

    def solve(self, probs: Tensor, *, prior: Tensor | None = None, warn: bool = True) -> PseudoLabels:
        """Pseudo-labels for predictions ``probs``.

        Args:
            probs: predictions, shape ``[n, k]``, rows of probabilities; no gradient flows through the solver.
            prior: proportions, shape ``[k]``, positive, summing to one; uniform when None.
            warn: whether to warn when it stops early; ``converged`` says so in any case.

        Raises:
            TypeError: if ``probs`` is not a floating-point tensor.
            ValueError: if a shape does not fit, or rows are not probabilities.
        """
        probs = check_probabilities(probs, "probs").detach()
        prior = check_prior(prior, probs)
        scores = self.sharpness * probs.clamp_min(torch.finfo(probs.dtype).tiny).log()
        log_share, shift = (prior * len(probs)).log(), torch.zeros_like(prior)
        iteration, next_check, gap = 0, 1, math.inf
        while iteration < self.max_iterations and not gap <= self.tolerance:
            log_rows = torch.logsumexp(scores + shift, dim=1, keepdim=True)
            shift = log_share - torch.logsumexp(scores - log_rows, dim=0)
            iteration += 1
            if iteration == next_check or iteration == self.max_iterations:
                next_check *= 2
                targets, value, gap = self._certified(scores, shift, prior)
        if warn and gap > self.tolerance:
            warnings.warn(
                f"Sinkhorn stopped after {iteration} iterations with a gap of {gap:.3g} nats, above "
                f"{self.tolerance:.3g}; raise max_iterations or tolerance, or lower sharpness (now {self.sharpness:g})",
                ConvergenceWarning,
                stacklevel=2,
            )
        return PseudoLabels(targets, value, iteration, gap <= self.tolerance, gap)

    def _certified(self, scores: Tensor, shift: Tensor, prior: Tensor) -> tuple[Tensor, float, float]:
        """Feasible targets near those of ``shift``, their value, and its distance from the dual at ``shift``."""
        log_rows = torch.logsumexp(scores + shift, dim=1, keepdim=True)
        targets = torch.exp(scores + shift - log_rows)
        targets = targets * (prior / targets.mean(0).clamp_min(torch.finfo(prior.dtype).tiny)).clamp_max(1)
        missing_rows, missing_columns = (1 - targets.sum(1)).clamp_min(0), (prior - targets.mean(0)).clamp_min(0)
        if float(missing_columns.sum()) > 0:
            targets = targets + missing_rows[:, None] * (missing_columns / missing_columns.sum())
        value = (torch.xlogy(targets, targets) - targets * scores).sum(1).mean() / self.sharpness
        dual = (prior @ shift - log_rows.mean()) / self.sharpness
        return targets, float(value), max(float(value - dual), 0.0)
