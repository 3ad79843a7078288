r"""The exact algebra from the splitting of mutual information to soft K-means, and the term it leaves out.

With :math:`\ln p_{ik} = \theta_k^\top x_i + b_k - \ln Z_i`, the split objective :math:`J` of
`paperlib.theory.splitting` is :math:`J_0 + \frac2n \sum_i \ln Z_i`. Without the normaliser it has a closed form, and

.. math::
    J_0(q, \theta^\circ, b^\circ) = S(q) - \frac1\lambda \sum_k \hat q_k \Bigl(\hat q_k - \frac1k\Bigr) \|c_k\|^2,
    \qquad \theta^\circ_k = \frac{\hat q_k c_k}{\lambda}, \quad b^\circ_k = \frac12 \ln \hat q_k,

with :math:`S` the loss of `paperlib.soft_kmeans`. Where :math:`\hat q` is uniform this is the identity of Jabi,
Pedersoli, Mitiche and Ben Ayed, arXiv 1810.04246 (constants inferred from the authors' published code); the remainder
for any other :math:`q`, and all that is said here about the normaliser, is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, softmax

from paperlib.soft_kmeans import soft_kmeans_loss, weighted_means
from paperlib.theory.splitting import assignment_terms, check_problem, exact_softmax, splitting_loss

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SoftKMeansIdentity:
    r"""Both sides of the identity at one ``q``, and what stands between it and the split objective.

    Attributes:
        normalizer_free: left side, :math:`J_0` at the closed form, nats.
        soft_kmeans: right side, :math:`S(q)`.
        remainder: what unbalanced clusters add to the right side; zero where all :math:`\hat q_k = 1/k`.
        imbalance: largest :math:`|\hat q_k - 1/k|`.
        dropped: :math:`\frac2n \sum_i \ln Z_i` at the closed form, nats.
        dropped_gradient_theta: its gradient, shape ``[k, d]``; since :math:`\theta^\circ` minimises :math:`J_0`, it is
            also that of :math:`J`.
        dropped_gradient_bias: its gradient by the bias, shape ``[k]``; it sums to two, everywhere.
        theta: closed form, shape ``[k, d]``.
        bias: closed form, shape ``[k]``.
        splitting: :math:`J` at the closed form.
        exact_theta: minimiser of :math:`J` for this ``q``, shape ``[k, d]``.
        exact_bias: shape ``[k]``.
        exact_splitting: :math:`J` there, its minimum for this ``q``.
        ignorant_splitting: :math:`J` of zero weights and biases, a model that ignores the data.
    """

    normalizer_free: float
    soft_kmeans: float
    remainder: float
    imbalance: float
    dropped: float
    dropped_gradient_theta: Array
    dropped_gradient_bias: Array
    theta: Array
    bias: Array
    splitting: float
    exact_theta: Array
    exact_bias: Array
    exact_splitting: float
    ignorant_splitting: float

    @property
    def gap(self) -> float:
        """Left side less right side and remainder: rounding, and nothing else."""
        return self.normalizer_free - self.soft_kmeans - self.remainder

    @property
    def norm(self) -> float:
        """Norm of the closed form's weights, less their mean over clusters, which no prediction depends on."""
        return float(np.linalg.norm(_effective(self.theta)))

    @property
    def exact_norm(self) -> float:
        """Norm of the exact weights, whose mean over clusters is zero."""
        return float(np.linalg.norm(self.exact_theta))

    @property
    def cosine(self) -> float:
        """Cosine between the two, as vectors of k d numbers."""
        return float(np.sum(_effective(self.theta) * self.exact_theta) / (self.norm * self.exact_norm))


def normalizer_free_loss(x: ArrayLike, q: ArrayLike, theta: Array, bias: Array, penalty: float) -> float:
    r""":math:`J_0`: the split objective with logits in the place of :math:`\ln p`, nats.

    It is linear in the bias, hence unbounded from below: a constant added to all biases, which changes no prediction,
    lowers it by twice that constant.

    Args:
        x: points, shape ``[n, d]``.
        q: assignments, shape ``[n, k]``.
        theta: weights, shape ``[k, d]``.
        bias: shape ``[k]``.
        penalty: :math:`\lambda`.
    """
    q, logits = np.asarray(q), np.asarray(x) @ theta.T + bias
    return assignment_terms(q) - 2 * float((q * logits).sum(1).mean()) + penalty * float(np.sum(theta**2))


def normalizer_free_softmax(x: ArrayLike, q: ArrayLike, penalty: float) -> tuple[Array, Array]:
    r"""The closed form :math:`\theta^\circ_k = \hat q_k c_k / \lambda`, :math:`b^\circ_k = \frac12 \ln \hat q_k`.

    The weights minimise :math:`J_0`. The bias is chosen to cancel its term of fairness, and is the minimiser only
    under a side condition, :math:`\sum_k e^{2 b_k} = 1` (ours).

    Raises:
        ValueError: as :func:`soft_kmeans_identity`.
    """
    x, q, penalty = check_problem(x, q, penalty)
    return q.T @ x / (len(x) * penalty), np.log(q.mean(0)) / 2


def soft_kmeans_identity(x: ArrayLike, q: ArrayLike, penalty: float) -> SoftKMeansIdentity:
    r"""The identity and the dropped normaliser at assignments ``q``, balanced or not.

    Facts that hold for every ``q`` and that the fields let one check (ours): ``dropped`` is at least
    :math:`\frac2\lambda \sum_k \|\hat q_k c_k\|^2 - H(\hat q)`, since :math:`\ln Z_i \ge \sum_k q_{ik} l_{ik}`, twice
    what the closed form seemed to gain; hence ``splitting`` exceeds ``ignorant_splitting`` wherever
    :math:`\sum_k \|\hat q_k c_k\|^2 > 2 \lambda \ln k`.

    Args:
        x: points, shape ``[n, d]``.
        q: assignments, shape ``[n, k]``, rows of probabilities.
        penalty: Jabi and colleagues' :math:`\lambda`, positive: the weight of :math:`\sum_k \|\theta_k\|^2`, that is
            the estimators' ``gamma`` and twice the ``gamma`` of the two-class functions here.

    Raises:
        ValueError: if shapes do not fit, rows of ``q`` are no probabilities, a cluster of ``q`` is empty, or
            ``penalty`` is not positive.
    """
    x, q, penalty = check_problem(x, q, penalty)
    (n, d), k = x.shape, q.shape[1]
    theta, bias = normalizer_free_softmax(x, q, penalty)
    logits = x @ theta.T + bias
    probs = softmax(logits, axis=1)
    marginal, centers = q.mean(0), weighted_means(x, q)
    exact_theta, exact_bias = exact_softmax(x, q, penalty)
    return SoftKMeansIdentity(
        normalizer_free=normalizer_free_loss(x, q, theta, bias, penalty),
        soft_kmeans=soft_kmeans_loss(x, q, penalty),
        remainder=float(-np.sum(marginal * (marginal - 1 / k) * np.sum(centers**2, 1)) / penalty),
        imbalance=float(np.abs(marginal - 1 / k).max()),
        dropped=2 * float(logsumexp(logits, axis=1).mean()),
        dropped_gradient_theta=2 / n * probs.T @ x,
        dropped_gradient_bias=2 * probs.mean(0),
        theta=theta,
        bias=bias,
        splitting=splitting_loss(x, q, theta, bias, penalty),
        exact_theta=exact_theta,
        exact_bias=exact_bias,
        exact_splitting=splitting_loss(x, q, exact_theta, exact_bias, penalty),
        ignorant_splitting=splitting_loss(x, q, np.zeros((k, d)), np.zeros(k), penalty),
    )


def _effective(theta: Array) -> Array:
    """Weights less their mean over clusters: what predictions depend on."""
    return theta - theta.mean(0)
