r"""Soft regularised K-means, as Jabi and colleagues define it, on given features (no network, no reconstruction).

Source: Jabi, Pedersoli, Mitiche and Ben Ayed, arXiv 1810.04246, and the authors' published code, which has these
updates. ``penalty`` is their :math:`\lambda`; :math:`\lambda k` is the temperature. Seen another way (ours), it is
maximum likelihood for :math:`k` equally likely round Gaussians of variance :math:`\lambda k / 2`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax, xlogy
from sklearn.cluster import kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning

from paperlib._checks import check_points, check_positive

Array = NDArray[np.float64]


def soft_kmeans_loss(x: ArrayLike, q: ArrayLike, penalty: float) -> float:
    r"""The loss, in nats, minimised, with the best centres for ``q``: the weighted means :math:`c_k`.

    .. math::
        S = \frac{1}{\lambda k} \Bigl[ \frac1n \sum_{ik} q_{ik} \|x_i - c_k\|^2 - \frac1n \sum_i \|x_i\|^2 \Bigr]
            + \frac1n \sum_{ik} q_{ik} \ln q_{ik}.

    The reconstruction error of their network is left out: there is no network here.

    Args:
        x: points, shape ``[n, d]``.
        q: assignments, shape ``[n, k]``, rows of probabilities.
        penalty: :math:`\lambda`, positive.
    """
    x, q = np.asarray(x, dtype=np.float64), np.asarray(q, dtype=np.float64)
    scatter = -q.mean(0) @ np.square(weighted_means(x, q)).sum(1)  # the bracket: deviations from means are orthogonal
    return float(scatter / (penalty * q.shape[1]) + xlogy(q, q).sum(1).mean())


def weighted_means(x: Array, q: Array) -> Array:
    """The centres :math:`c_k`, shape ``[k, d]``: the step of the centres; zero for a cluster of no weight."""
    weight = q.sum(0)
    return (q.T @ x) / np.where(weight > 0, weight, 1)[:, None]


def soft_assignments(x: ArrayLike, centers: Array, penalty: float) -> Array:
    r"""The step of the assignments, :math:`q_{ik} \propto \exp(-\|x_i - c_k\|^2 / (\lambda k))`, shape ``[n, k]``.

    No factor of fairness: it has cancelled against the bias on the way from mutual information.
    """
    middle = centers.mean(0)  # squared distances less what all centres share: two thin products, no [n, k, d] array
    offset = centers - middle
    scores = 2 * (np.asarray(x) @ offset.T - middle @ offset.T) - np.square(offset).sum(1)
    return softmax(scores / (penalty * len(centers)), axis=1)


def final_posteriors(x: ArrayLike, q: Array, penalty: float) -> Array:
    r"""What the authors' code reports in the end, shape ``[n, k]``.

    :math:`p_{ik} \propto \exp(c_k^\top x_i / (\lambda k) + \frac12 \ln \hat q_k)`. There is no :math:`\|c_k\|^2`, so
    the likeliest cluster need not be the nearest centre, and moving the origin changes it. No cluster may be empty.
    """
    x = np.asarray(x)
    return softmax(x @ weighted_means(x, q).T / (penalty * q.shape[1]) + np.log(q.mean(0)) / 2, axis=1)


@dataclass(frozen=True, eq=False)
class SoftKMeans:
    """The best of several starts.

    Attributes:
        q: assignments, shape ``[n, k]``.
        centers: shape ``[k, d]``.
        value: the loss, nats.
        start_values: the loss from each start, shape ``[n_init]``.
        n_iterations: of the best start.
        converged: whether the best start settled.
    """

    q: Array
    centers: Array
    value: float
    start_values: Array
    n_iterations: int
    converged: bool

    @property
    def labels(self) -> NDArray[np.int64]:
        """The nearest centre of each point, shape ``[n]``."""
        return self.q.argmax(1)


def soft_regularized_kmeans(
    x: ArrayLike,
    n_clusters: int,
    penalty: float,
    *,
    n_init: int = 10,
    seed: int = 0,
    start: ArrayLike | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 5000,
) -> SoftKMeans:
    r"""Alternate centres and assignments from several starts, and keep the lowest loss.

    Either step is exact, so the loss never rises; local minima are many. As :math:`\lambda \to 0` it is Lloyd's
    algorithm; above :math:`\lambda = 2 \lambda_1 / k`, with :math:`\lambda_1` the largest variance in any direction,
    all centres fall together. Close below that it is slow. Cost: O(n k d) a step.

    Args:
        x: points, shape ``[n, d]``.
        n_clusters: :math:`k`.
        penalty: :math:`\lambda`, positive.
        n_init: number of starts, from K-means++ centres.
        seed: of the starts.
        start: first assignments, shape ``[n, k]``, instead of the starts.
        tolerance: stop when no assignment moves by more.
        max_iterations: limit on the pairs of steps.

    Raises:
        ValueError: if ``x`` is no finite matrix, ``n_clusters`` is not between one and its number of rows, ``start``
            does not fit, or ``penalty`` or ``n_init`` is not positive.
    """
    x, penalty = check_points(x), check_positive(penalty, "penalty")
    if not 1 <= n_clusters <= len(x) or n_init < 1:
        raise ValueError(
            f"n_clusters={n_clusters!r} must be 1 to {len(x)}, the points, and n_init={n_init!r} at least 1"
        )
    if start is not None:
        first = np.asarray(start, dtype=np.float64)
        if first.shape != (len(x), n_clusters):
            raise ValueError(f"start has shape {list(first.shape)}; give {[len(x), n_clusters]}")
        firsts = [weighted_means(x, first)]
    else:
        random = np.random.RandomState(seed)
        firsts = [kmeans_plusplus(x, n_clusters, random_state=random)[0] for _ in range(n_init)]
    runs = [_descend(x, centers, penalty, tolerance, max_iterations) for centers in firsts]
    values = np.array([soft_kmeans_loss(x, q, penalty) for q, _, _ in runs])
    q, n_iterations, converged = runs[int(values.argmin())]
    if not converged:
        warnings.warn(
            f"soft K-means stopped after {max_iterations} steps; raise max_iterations or tolerance ({tolerance:g})",
            ConvergenceWarning,
            stacklevel=2,
        )
    return SoftKMeans(q, weighted_means(x, q), float(values.min()), values, n_iterations, converged)


def _descend(x: Array, centers: Array, penalty: float, tolerance: float, limit: int) -> tuple[Array, int, bool]:
    """Alternate from ``centers``: assignments, number of steps, whether they settled."""
    q = soft_assignments(x, centers, penalty)
    for iteration in range(1, limit + 1):
        previous, q = q, soft_assignments(x, weighted_means(x, q), penalty)
        if np.abs(q - previous).max() <= tolerance:
            return q, iteration, True
    return q, limit, False
