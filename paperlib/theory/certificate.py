"""The counterexample to "entropy clustering is K-means", certified on given data at a given price."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from paperlib._checks import check_points, check_positive
from paperlib.theory.enclosure import Enclosure, certified_minimum, loss_upper_bound, standardised
from paperlib.theory.two_class import Array, two_class_loss
from paperlib.theory.two_means import exact_two_means


@dataclass(frozen=True)
class Certificate:
    """Whether no global minimiser of the regularised mutual-information loss has the labels of K-means.

    Attributes:
        kmeans_labels: the K-means cut that was examined, shape ``[n]``.
        entropy_labels: labels of the line with the least loss found, shape ``[n]``.
        upper_bound: rigorous upper bound of the loss of that line, in nats.
        lower_bound: rigorous lower bound of the loss of every line with ``kmeans_labels``, in nats; minus infinity
            where there was no need to compute it.
        holds: True only if ``kmeans_labels`` is the one optimum of K-means and ``lower_bound > upper_bound``.
        reason: one sentence, why it holds or does not.
        weight: weight of the line with the least loss found, shape ``[2]``.
        bias: its bias.
        n_boxes: boxes that the lower bound took.
    """

    kmeans_labels: NDArray[np.int64]
    entropy_labels: NDArray[np.int64]
    upper_bound: float
    lower_bound: float
    holds: bool
    reason: str
    weight: Array
    bias: float
    n_boxes: int


def certify_counterexample(
    x: ArrayLike,
    gamma: float,
    *,
    fairness_weight: float = 1.0,
    kmeans_labels: ArrayLike | None = None,
    tolerance: float = 1e-3,
) -> Certificate:
    r"""Prove, or fail to prove, that entropy clustering and K-means differ on these points in their global optima.

    K-means' optimum is found by enumeration (:func:`exact_two_means`). The loss
    :math:`\frac1n \sum_i H(\sigma_i) + \lambda KL(\bar\sigma \| u) + \gamma \|w\|^2` of every line with its labels is
    bounded from below (:func:`certified_minimum`), that of the best line found from above. Where the first exceeds the
    second, the K-means cut is not the cut of any global minimiser. A certificate that does not hold proves nothing.

    Source: the claim is that of Zhang and Boykov, arXiv 2301.11405 (counterexample to the equivalence with K-means);
    the certificate is ours. Cost: O(n^2 log n) for K-means and O(n) a box; about two seconds at 40 points.

    Args:
        x: points in the plane, shape ``[n, 2]``.
        gamma: factor of :math:`\|w\|^2`, positive: half the estimators' ``gamma``.
        fairness_weight: :math:`\lambda`, positive: without fairness one cluster for all points is best.
        kmeans_labels: two distinct values, shape ``[n]``, when they come from elsewhere; the certificate is refused
            (``holds`` is False) where they are not K-means' optimum. Computed when None.
        tolerance: how far the lower bound may be from the least loss with these labels, in nats; made smaller
            where the two losses are so close that this is needed.

    Raises:
        ValueError: if an argument is out of range, or ``kmeans_labels`` does not have two values, one a point.
    """
    x, gamma = check_points(x, plane=True), check_positive(gamma, "gamma")
    fairness_weight = check_positive(fairness_weight, "fairness_weight")
    best = exact_two_means(x)
    labels = best.labels if kmeans_labels is None else _two_labels(kmeans_labels, len(x))
    weight, bias = _best_line(x, gamma, fairness_weight)
    upper = loss_upper_bound(weight, bias, x, gamma, fairness_weight=fairness_weight)
    entropy_labels = (x @ weight + bias > 0).astype(np.int64)

    region: Enclosure | None = None

    def verdict(reason: str, *, holds: bool = False) -> Certificate:
        lower, n_boxes = (region.lower, region.n_boxes) if region else (-math.inf, 0)
        return Certificate(labels, entropy_labels, upper, lower, holds, reason, weight, bias, n_boxes)

    if not _same_split(labels, best.labels):
        return verdict("The labels given are not the optimum of K-means.")
    if best.runner_up == best.inertia:
        return verdict("K-means has several optima on these points, or two that rounding cannot tell apart.")
    region = certified_minimum(x, labels, gamma, fairness_weight=fairness_weight, tolerance=tolerance)
    if _same_split(labels, entropy_labels):
        return verdict("The least loss found is that of a line with the labels of K-means.")
    if 0 < region.upper - upper < 2 * tolerance:  # close: bound again, to half the difference
        half = (region.upper - upper) / 2
        region = certified_minimum(x, labels, gamma, fairness_weight=fairness_weight, tolerance=half)
    if region.lower > upper:
        return verdict("Every line with the labels of K-means loses more than one with others.", holds=True)
    return verdict("The losses with these labels and with others are too close to be told apart.")


def _best_line(x: Array, gamma: float, fairness_weight: float) -> tuple[Array, float]:
    """Best of local searches from 18 directions and 3 norms, each with half the points on either side."""
    z, mean, scale = standardised(x)

    def loss(theta: Array) -> tuple[float, Array]:
        return two_class_loss(theta[:2], theta[2], z, gamma / scale**2, fairness_weight=fairness_weight)

    theta = np.zeros(3)
    for angle in np.linspace(0, np.pi, 18, endpoint=False):
        direction = np.array([np.cos(angle), np.sin(angle)])
        height = z @ direction
        for size in (0.5, 2.0, 8.0):
            start = size / max(height.std(), 0.05) * np.append(direction, -np.median(height))
            end = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9})
            if end.fun < loss(theta)[0]:
                theta = end.x
    weight = theta[:2] / scale
    return weight, float(theta[2] - weight @ mean)


def _two_labels(labels: ArrayLike, n: int) -> NDArray[np.int64]:
    values, index = np.unique(np.asarray(labels), return_inverse=True)
    if index.shape != (n,) or len(values) != 2:
        raise ValueError(
            f"kmeans_labels must have two distinct values, one for each of the {n} points, "
            f"got shape {list(index.shape)} with {len(values)} values"
        )
    return index.astype(np.int64)


def _same_split(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    return bool((a == b).all() or (a != b).all())
