r"""Jabi and colleagues' splitting of regularised mutual information, and the exact minimiser of each of its steps.

The model is a softmax :math:`p_{ik} \propto \exp(\theta_k^\top x_i + b_k)`. Auxiliary assignments :math:`q` are held
to :math:`p` by a Kullback-Leibler divergence, and one minimises over :math:`q` and over :math:`(\theta, b)` in turn.

Source: Jabi, Pedersoli, Mitiche and Ben Ayed, arXiv 1810.04246. The constants here were inferred from the authors'
published code, and the exact steps derived. Their :math:`\lambda`, the ``penalty``, multiplies
:math:`\sum_k \|\theta_k\|^2`: it is the estimators' ``gamma``, and twice the ``gamma`` of the rest of this package.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, logsumexp, softmax, xlogy
from sklearn.exceptions import ConvergenceWarning

from paperlib._checks import check_points, check_positive

Array = NDArray[np.float64]


def regularized_information_loss(x: ArrayLike, theta: Array, bias: Array, penalty: float) -> float:
    r"""Penalty less mutual information, :math:`\frac1n\sum_i H(p_i) - H(\bar p) + \lambda\sum_k\|\theta_k\|^2`.

    In nats, at least :math:`-\ln k`, minimised. It is the mutual information loss of `paperlib.losses` less
    :math:`\ln k`, plus penalty.

    Args:
        x: points, shape ``[n, d]``.
        theta: weights, shape ``[k, d]``.
        bias: shape ``[k]``, free of penalty.
        penalty: :math:`\lambda`.
    """
    log_probs = log_softmax(np.asarray(x) @ theta.T + bias, axis=1)
    probs = np.exp(log_probs)
    marginal = probs.mean(0)
    return float(xlogy(marginal, marginal).sum() - (probs * log_probs).sum(1).mean() + penalty * np.sum(theta**2))


def splitting_loss(x: ArrayLike, q: ArrayLike, theta: Array, bias: Array, penalty: float) -> float:
    r"""The split objective, in nats, minimised over ``q`` and over the model in turn.

    .. math::
        J = \sum_k \hat q_k \ln \hat q_k - \frac1n \sum_{ik} q_{ik} \ln p_{ik} + \lambda \sum_k \|\theta_k\|^2
            + \frac1n \sum_i KL(q_i \| p_i), \qquad \hat q_k = \frac1n \sum_i q_{ik}.

    At :math:`q = p` it is :func:`regularized_information_loss`, so its minimum over :math:`q` is never above that.

    Args:
        x: points, shape ``[n, d]``.
        q: assignments, shape ``[n, k]``, rows of probabilities.
        theta: weights, shape ``[k, d]``.
        bias: shape ``[k]``.
        penalty: :math:`\lambda`.
    """
    q = np.asarray(q)
    log_probs = log_softmax(np.asarray(x) @ theta.T + bias, axis=1)
    return assignment_terms(q) - 2 * float((q * log_probs).sum(1).mean()) + penalty * float(np.sum(theta**2))


def assignment_terms(q: Array) -> float:
    r"""What the split objective says of the assignments ``q`` ``[n, k]`` alone, in nats.

    It is :math:`-H(\hat q) - \frac1n \sum_i H(q_i)`, between :math:`-2 \ln k` and zero.
    """
    marginal = q.mean(0)
    return float(xlogy(marginal, marginal).sum() + xlogy(q, q).sum(1).mean())


def exact_assignments(log_probs: Array, *, tolerance: float = 1e-14) -> Array:
    r"""The :math:`q` that minimises the split objective while the model stands still; the problem is convex.

    Stationarity says :math:`q_{ik} \propto p_{ik}^2 / \hat q_k`, with :math:`\hat q` the mean of :math:`q`. The update
    :math:`\ln\hat q \leftarrow \frac12 (\ln\hat q + \ln \frac1n\sum_i q_i(\hat q))` has the Jacobian :math:`\frac12 P`
    with :math:`P` a row-stochastic matrix, so it halves the largest error of :math:`\ln\hat q`, or does better, from
    any start: fifty steps for double precision. Derived here. Cost: O(n k) a step.

    Args:
        log_probs: :math:`\ln p`, shape ``[n, k]``, finite.
        tolerance: stop when a step moves no entry of :math:`\ln\hat q` by more.

    Returns:
        Shape ``[n, k]``.
    """
    log_marginal = np.full(log_probs.shape[1], -math.log(log_probs.shape[1]))
    for _ in range(200):
        log_q = log_softmax(2 * log_probs - log_marginal, axis=1)
        step = (logsumexp(log_q, axis=0) - math.log(len(log_q)) - log_marginal) / 2
        log_marginal += step
        if np.abs(step).max() <= tolerance * max(1.0, float(np.abs(log_marginal).max())):
            break
    return softmax(2 * log_probs - log_marginal, axis=1)


def approximate_assignments(log_probs: Array) -> Array:
    r"""The closed form in use for the same step, :math:`q_{ik} \propto p_{ik}^2 / (\sum_j p_{jk}^2)^{1/2}`.

    It neglects the normalisers of the rows when it eliminates :math:`\hat q`, so it is approximate. Shape ``[n, k]``
    to ``[n, k]``.
    """
    return softmax(2 * log_probs - logsumexp(2 * log_probs, axis=0) / 2, axis=1)


def exact_softmax(x: ArrayLike, q: ArrayLike, penalty: float, *, max_iterations: int = 200) -> tuple[Array, Array]:
    r"""The ``theta`` ``[k, d]`` and ``bias`` ``[k]`` that minimise the split objective while :math:`q` stands still.

    This is multinomial logistic regression with soft targets and weight two: convex, no closed form. Newton's method
    with backtracking, to a decrement at the rounding unit; of the biases that give the same model, those that sum to
    zero (for centred data). Cost: O(n k^2 d^2) a step, about :math:`\ln(1/\lambda)` steps.

    Args:
        x: points, shape ``[n, d]``.
        q: assignments, shape ``[n, k]``, rows of probabilities.
        penalty: :math:`\lambda`, positive.
        max_iterations: limit on the Newton steps.

    Raises:
        ValueError: if shapes do not fit, rows of ``q`` are no probabilities, a cluster of ``q`` is empty (its bias
            would run to minus infinity), or ``penalty`` is not positive, or less than 1e-12 of the variance of ``x``,
            where rounding hides it.
    """
    x, q, penalty = check_problem(x, q, penalty)
    (n, d), k = x.shape, q.shape[1]
    mean = x.mean(0)
    variance = float(((x - mean) ** 2).sum(1).mean())
    if penalty < 1e-12 * variance:
        raise ValueError(
            f"penalty={penalty:g} is lost in rounding beside a variance of {variance:g}; give at least 1e-12 of that"
        )
    design = np.column_stack([x - mean, np.ones(n)])
    smallest = np.finfo(float).eps * float(np.abs(design).max())  # what a gradient can still resolve
    ridge = np.tile(np.append(np.full(d, 2 * penalty), 0.0), k)
    gauge = np.kron(np.ones((k, k)), np.diag(np.append(np.zeros(d), 1.0)))  # holds the sum of the biases at zero

    def value(rows: Array) -> float:
        return float(-2 * (q * log_softmax(design @ rows.T, axis=1)).sum(1).mean() + ridge @ rows.ravel() ** 2 / 2)

    rows = np.zeros((k, d + 1))
    for _ in range(max_iterations):
        p = softmax(design @ rows.T, axis=1)
        gradient = (2 / n * (p - q).T @ design).ravel() + ridge * rows.ravel()
        if np.abs(gradient).max() <= smallest:
            break
        spread = np.eye(k) * p[:, :, None] - p[:, :, None] * p[:, None, :]
        hessian = 2 / n * np.einsum("nkl,na,nb->kalb", spread, design, design, optimize=True).reshape(len(ridge), -1)
        step = np.linalg.solve(hessian + np.diag(ridge) + gauge, -gradient)
        direction, descent = step.reshape(k, -1), float(gradient @ step)
        change = float(np.abs(design @ direction.T).max())  # of a logit; where small, Newton's step needs no check
        length, current = 1.0, value(rows)
        while length * change > 0.1 and value(rows + length * direction) > current + 0.1 * length * descent:
            length /= 2
        rows += length * direction
        if change <= 1e-9:  # the next step would be about the square of this one
            break
    else:
        warnings.warn(
            f"the logistic regression stopped after {max_iterations} Newton steps; raise max_iterations or penalty "
            f"(now {penalty:g})",
            ConvergenceWarning,
            stacklevel=2,
        )
    return rows[:, :d], rows[:, d] - rows[:, :d] @ mean


@dataclass(frozen=True, eq=False)
class SplittingMinimum:
    """Where alternating the two exact steps ends.

    Attributes:
        q: assignments, shape ``[n, k]``.
        theta: weights, shape ``[k, d]``.
        bias: shape ``[k]``.
        value: the split objective there, nats.
        n_iterations: pairs of steps.
        converged: whether the last pair lowered the value by no more than the tolerance.
    """

    q: Array
    theta: Array
    bias: Array
    value: float
    n_iterations: int
    converged: bool

    @property
    def labels(self) -> NDArray[np.int64]:
        """The likeliest cluster of each point, shape ``[n]``."""
        return self.q.argmax(1)


def minimize_splitting(
    x: ArrayLike, q: ArrayLike, penalty: float, *, tolerance: float = 1e-10, max_iterations: int = 500
) -> SplittingMinimum:
    r"""Alternate the exact model step and the exact assignment step from ``q``; a local method that never goes uphill.

    Args:
        x: points, shape ``[n, d]``.
        q: first assignments, shape ``[n, k]``; one-hot rows of labels will do.
        penalty: :math:`\lambda`, positive.
        tolerance: stop when a pair of steps lowers the value by no more, nats.
        max_iterations: limit on the pairs.

    Raises:
        ValueError: as :func:`exact_softmax`.
    """
    x, q, penalty = check_problem(x, q, penalty)
    value, converged, iteration = math.inf, False, 0
    while not converged and iteration < max_iterations:
        theta, bias = exact_softmax(x, q, penalty)
        q = exact_assignments(log_softmax(x @ theta.T + bias, axis=1))
        previous, value = value, splitting_loss(x, q, theta, bias, penalty)
        converged = previous - value <= tolerance
        iteration += 1
    if not converged:
        warnings.warn(
            f"alternating stopped after {max_iterations} pairs of steps; raise max_iterations or tolerance "
            f"(now {tolerance:g})",
            ConvergenceWarning,
            stacklevel=2,
        )
    return SplittingMinimum(q, theta, bias, value, iteration, converged)


def check_problem(x: Any, q: Any, penalty: float) -> tuple[Array, Array, float]:
    """Points and assignments as float64 arrays, and the penalty, if they make a problem.

    Raises:
        ValueError: if ``x`` is no finite matrix, ``q`` has not a row of probabilities for each of its rows, a cluster
            of ``q`` is empty, or ``penalty`` is not positive and finite.
    """
    x, q = check_points(x), np.asarray(q, dtype=np.float64)
    if q.ndim != 2 or len(q) != len(x) or not (q.min() >= 0 and np.abs(q.sum(1) - 1).max() <= 1e-9):
        raise ValueError(
            f"q must have a row of probabilities for each of the {len(x)} points, got shape {list(q.shape)}; for "
            "labels give one-hot rows"
        )
    if not q.mean(0).min() > 0:
        raise ValueError(f"cluster {q.mean(0).argmin()} of q is empty, and its bias would be minus infinity; drop it")
    return x, q, check_positive(penalty, "penalty")
