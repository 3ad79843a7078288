"""The global optimum of K-means with two clusters in the plane, by looking at every split that could be optimal."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paperlib._checks import check_points
from paperlib.theory.dichotomies import distinct, side_sums, sweeps, whole


class TwoMeans(NamedTuple):
    """The best partition into two clusters, with what it was compared with.

    Attributes:
        labels: 0 and 1, shape ``[n]``, 0 for the cluster of point 0.
        centers: mean of each cluster, shape ``[2, 2]``.
        inertia: sum of squared distances to the own centre, the least of all partitions.
        runner_up: the least inertia of any *other* split by a line: equal to ``inertia`` if the optimum is not unique,
            infinite if there is no other split.
        n_dichotomies: number of splits by a line, all of which were compared.
    """

    labels: NDArray[np.int64]
    centers: NDArray[np.float64]
    inertia: float
    runner_up: float
    n_dichotomies: int


def exact_two_means(x: Any) -> TwoMeans:
    r"""Global minimum of :math:`\sum_i \min_{c \in \{0, 1\}} \|x_i - \mu_c\|^2` over two centres, in the plane.

    At the optimum the bisector of the two centres has every point strictly on the side of its own centre. (A point of a
    cluster of :math:`a` at distance :math:`\delta` of both centres would change the sum by
    :math:`\delta^2 (\frac{b}{b + 1} - \frac{a}{a - 1}) < 0` if it moved to the other cluster, of :math:`b` points.) So
    a split by a line is optimal. There are at most n(n-1)/2 of these, and all are compared: by floats, and where these
    agree up to their rounding error, by exact fractions. The runner-up is of the same kind: a partition that is none
    by a line may have an inertia in between, but a step of Lloyd's algorithm betters it.

    Cost: O(n^2 log n) time, O(n) memory a chunk of rows.

    Args:
        x: points, shape ``[n >= 2, 2]``, array or tensor, not all equal.

    Returns:
        The optimum, the runner-up and the number of splits. Of optima that tie, the first by labels.

    Raises:
        ValueError: if ``x`` is not in the plane, not finite, or has fewer than two different points.
    """
    x = check_points(x, plane=True)
    points, inverse, counts = distinct(x)
    if len(points) < 2:
        raise ValueError(f"x has {len(x)} points but only one place; two clusters need two different points")
    scale = 2.0 ** -math.frexp(np.ptp(points, axis=0).max())[1]  # a power of two, so that squares stay in range
    centred = (points - counts @ points / len(x)) * scale
    weighted = counts[:, None] * np.column_stack((np.ones(len(points)), centred))
    total, scatter = weighted.sum(0), float(counts @ np.square(centred).sum(1))
    rounding = 16 * len(x) ** 1.5 * np.finfo(float).eps * scatter  # above the error of any value below

    values, candidates, n_dichotomies = np.empty(0), np.empty((0, len(points)), dtype=bool), 0
    for sweep in sweeps(points):
        rows, positions = np.nonzero(sweep.splits)
        sums = side_sums(sweep, weighted)[rows, positions]
        inertia = scatter - _between(sums) - _between(total - sums)
        n_dichotomies += len(rows)
        near = inertia <= _second(np.concatenate((values, inertia))) + 2 * rounding
        values = np.concatenate((values, inertia[near]))
        candidates = np.concatenate((candidates, sweep.members(rows[near], positions[near])))
        keep = values <= _second(values) + 2 * rounding
        values, candidates = values[keep], candidates[keep]

    sides = candidates[:, inverse]
    sides ^= sides[:, :1]
    ranked = sorted(zip(_exact_inertias(x, sides), sides.tolist(), strict=True))
    labels = np.array(ranked[0][1], dtype=np.int64)
    centers = np.stack([x[labels == label].mean(0) for label in (0, 1)])
    runner_up = float(ranked[1][0]) if len(ranked) > 1 else math.inf
    return TwoMeans(labels, centers, float(ranked[0][0]), runner_up, n_dichotomies)


def _between(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared norm of the sum of one cluster by its size, from ``(size, sum of x, sum of y)``, shape ``[m, 3]``."""
    return np.square(sums[:, 1:]).sum(1) / sums[:, 0]


def _second(values: NDArray[np.float64]) -> float:
    """The second least of some values; infinity if there is none."""
    return float(np.partition(values, 1)[1]) if len(values) > 1 else math.inf


def _exact_inertias(x: NDArray[np.float64], sides: NDArray[np.bool_]) -> list[Fraction]:
    """Inertia of each split, from booleans ``[m, n]``, without rounding."""
    integers, denominator = whole(x)
    scatter = int(np.square(integers).sum())
    inertias = []
    for side in sides:
        first, second = (np.square(integers[cluster].sum(0)).sum() for cluster in (side, ~side))
        size = int(side.sum())
        inertias.append((scatter - Fraction(first, size) - Fraction(second, len(x) - size)) / denominator**2)
    return inertias
