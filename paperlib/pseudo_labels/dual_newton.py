r"""Newton's method on the concave dual of the pseudo-label problem, in as many variables as there are clusters.

The problem is that of `paperlib.pseudo_labels.em`. Its dual has a slope :math:`w_c` for each cluster and a multiplier
:math:`\mu_i` for each row; with distances :math:`s_{ic} = \mu_i - w_c > 0`,

.. math::
    \max_{w, \mu} \; \lambda \sum_c u_c \ln w_c + \frac1n \sum_{ic} \sigma_{ic} \ln s_{ic} - \frac1n \sum_i \mu_i,
    \qquad \text{optimal where} \quad
    y_{ic} s_{ic} = \sigma_{ic}, \quad \sum_c y_{ic} = 1, \quad w_c \bar y_c = \lambda u_c.

So predictions are the weights of a logarithmic barrier, and the sure ones are nearly none: the dual is nearly piecewise
linear there, and Newton's method on it crawls. The remedy is that of interior-point methods: targets :math:`y > 0` are
kept beside the distances, each step solves the linearised conditions for both, and the predictions are first raised
to a floor :math:`\tau` that falls as the steps succeed. The multipliers drop out row by row, which leaves

.. math::
    \Bigl[ \frac1n \sum_i \bigl( \operatorname{diag}(a_i) - a_i a_i^\top / 1^\top a_i \bigr)
    + \operatorname{diag}(\bar y_c / w_c) \Bigr] \Delta w = F, \qquad a_{ic} = y_{ic} / s_{ic},

with :math:`F` the gradient of the dual. The matrix of the rows is the Laplacian of a graph over the clusters. A common
shift of all slopes is its null vector; it is eliminated exactly, by :math:`\sum_c \lambda u_c / w_c = 1`, so
that an infinite weight (the marginal *is* the prior) needs nothing else.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from numbers import Real

from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib._checks import check_positive, check_prior, check_probabilities, check_start, check_whole
from paperlib.information import cross_entropy
from paperlib.pseudo_labels._dual_state import DualState
from paperlib.pseudo_labels._rows import work_type
from paperlib.pseudo_labels.result import PseudoLabels

_FIRST_FLOOR = 0.1  # over k
_NEAR = 1e-2  # residual of a start that is worth more than none


@dataclass(frozen=True)
class DualNewton:
    r"""Newton's method for the k slopes of the dual, to a small residual of the optimality conditions.

    Guarantee: each direction ascends the concave dual for the current floor (it is the gradient times the inverse of
    a positive definite matrix), targets and distances stay positive, and once full steps fit the residual squares
    itself. How many steps come before is known by experience, not by proof: the benchmark and the tests have found
    three to ten, and up to about thirty for nearly one-hot rows, whatever the weight. What is returned is certified
    either way: ``gap`` bounds how far the value can be from the optimum, and ``converged`` says that the residual

    .. math::
        \max_{ic} \Bigl| y_{ic} \Bigl( \mu_i - \frac{\lambda u_c}{\bar y_c} \Bigr) - \sigma_{ic} \Bigr|,
        \qquad \mu_i = 1 + \sum_c \frac{y_{ic} \lambda u_c}{\bar y_c},

    is at most ``tolerance`` (and no factor in the brackets is further below zero), or with an infinite weight
    :math:`|y_{ic} s_{ic} - \sigma_{ic}|` and :math:`|\bar y_c - u_c|`. Proof of the bound that is checked: let
    :math:`\delta` be the spread (largest less smallest) of :math:`\lambda u_c / \bar y_c - w_c`. For the multipliers
    that put these differences between plus and minus :math:`\delta / 2`, the residuals of row i are at most
    :math:`|y_{ic} s_{ic} - \sigma_{ic}| + y_{ic} \delta / 2`, which sum to at most :math:`\rho_i + \delta / 2`, with
    :math:`\rho_i = \sum_c |y_{ic} s_{ic} - \sigma_{ic}|`. The :math:`\mu_i` above differ from them by no more than
    that sum. Hence :math:`2 \max_i \rho_i + \delta` is a bound.

    Cost: a step is O(n k^2) for the matrix, and as much as about ten updates of `ExpectationMaximization` for the
    rest. Rows are taken in chunks that fit a cache, so that memory is two arrays of ``[n, k]``: the targets, and their
    transpose when they are returned. ``benchmarks/pseudo_labels.py`` has both solvers side by side.

    When to prefer it: for accuracy, wherever EM needs more than some hundred updates: great weights, a prior unlike the
    predictions, sure predictions of unequal clusters. EM is cheaper for weights well below one, and at weight one for
    predictions whose mean is near the prior. From a few hundred clusters on, a step costs tens of updates.

    When it fails: for weights below 1e-6 and one-hot rows, rounding may keep the residual above ``1e-9`` (the gap is
    closed). Where the optimum is nearly flat (one-hot rows, great weights) a small residual fixes the value and the
    marginal, but many targets share them.

    Zeros: predictions are in effect raised to a hundredth of the tolerance over k, so a sample can leave a zero.

    Distribution: one process only; for rows in shards take `ExpectationMaximization`.

    Precision: chunks are worked on in float64, whatever the type of ``probs`` (in float32 on Apple's GPUs, which have
    no other). Targets are stored in that type, and a residual of what its rounding unit makes of the slopes is enough.

    Attributes:
        fairness_weight: :math:`\lambda`, at least zero; zero returns the predictions, infinity makes the marginal
            equal to the prior, and then ``value`` is the reverse cross-entropy alone.
        max_iterations: limit on the Newton steps.
        tolerance: of the residual.

    Source: the problem is that of Zhang and Boykov, arXiv 2301.11405; this solver is ours.
    """

    fairness_weight: float = 1.0
    max_iterations: int = 200
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if not isinstance(self.fairness_weight, Real) or not self.fairness_weight >= 0:
            raise ValueError(f"fairness_weight must be a finite number >= 0 or infinity, got {self.fairness_weight!r}")
        check_whole(self.max_iterations, "max_iterations")
        check_positive(self.tolerance, "tolerance")

    def solve(
        self, probs: Tensor, *, prior: Tensor | None = None, start: Tensor | None = None, warn: bool = True
    ) -> PseudoLabels:
        """Pseudo-labels for predictions ``probs``.

        Args:
            probs: predictions, shape ``[n, k]``, rows of probabilities; no gradient flows through the solver.
            prior: target proportions, shape ``[k]``, positive, summing to one; uniform when None.
            start: targets of a problem close to this one, shape ``[n, k]``. They save steps if they fulfil the
                optimality conditions within 0.01 (never with an infinite weight, where they do not tell the slopes).
            warn: whether to warn when it stops early; ``converged`` says so in any case.

        Raises:
            TypeError: if ``probs`` or ``start`` is not a floating-point tensor.
            ValueError: if a shape does not fit, or rows are not probabilities.
        """
        probs = check_probabilities(probs, "probs").detach()
        start = check_start(start, probs)
        weight = float(self.fairness_weight)
        state = DualState(probs, check_prior(prior, probs[:1].to(work_type(probs))), weight)
        if weight == 0 or probs.shape[1] == 1:
            return PseudoLabels(probs.clone(), float(cross_entropy(probs, probs).mean()), 0, True, 0.0)
        last_floor = 1e-2 * max(self.tolerance, state.resolution()) / probs.shape[1]
        floor = max(last_floor, math.inf if start is None else state.resume(start, last_floor))
        if floor > _NEAR:
            floor = max(last_floor, _FIRST_FLOOR / probs.shape[1])
            state.begin(floor)
        iteration, converged, residual = 0, False, math.inf
        while iteration < self.max_iterations and not converged:
            residual, length = state.step(floor, last_floor)
            iteration += 1
            converged = residual <= max(self.tolerance, state.resolution())
            floor = max(last_floor, floor / (1000 if length > 0.9 else 30 if length > 0.5 else 1))
        value, gap = state.value_and_gap()
        if warn and not converged:
            warnings.warn(
                f"DualNewton stopped after {iteration} iterations with a residual of {residual:.3g}, above "
                f"{self.tolerance:.3g}; raise max_iterations or tolerance, or lower fairness_weight (now {weight:g})",
                ConvergenceWarning,
                stacklevel=2,
            )
        return PseudoLabels(state.targets.T.contiguous(), value, iteration, converged, gap)
