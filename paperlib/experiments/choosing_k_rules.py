"""Rules that say how many clusters there are: each picks one fit out of a row of fits with more and more clusters.

A row of fits has ``numbers`` of clusters asked for, rising, the first of them one. Rules return the place of their
choice in it, and what they say is the number of clusters which that fit *uses*. None looks at labels of classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics.cluster import contingency_matrix

SHARE = 0.95  # of the largest value, for `saturated`
LEVEL = 0.9  # adjusted Rand index from which fits agree, for `stable`
# The largest value with k clusters of those objectives that have one for all data.
BOUNDS = {"kl_ova": math.log, "tv_ova": lambda k: 1 - 1 / k, "hellinger_ova": lambda k: 1 - 1 / math.sqrt(k)}


def largest(values: ArrayLike) -> int:
    """The largest value of the objective; the first where several have it."""
    return int(np.argmax(values))


def elbow(numbers: ArrayLike, values: ArrayLike) -> int:
    """The fit farthest above the line from the first fit to the last, in a plot of value against number."""
    k, height = np.asarray(numbers, dtype=float), np.asarray(values, dtype=float)
    line = height[0] + (height[-1] - height[0]) * (k - k[0]) / (k[-1] - k[0])
    return int(np.argmax(height - line))


def saturated(values: ArrayLike, share: float = SHARE) -> int:
    """The first fit that reaches ``share`` of the largest value."""
    return int(np.argmax(np.asarray(values) >= share * np.max(values)))


def normalised(numbers: Sequence[int], values: ArrayLike, objective: str) -> int:
    """The largest value over `BOUNDS`, the most that the objective can be with so many clusters; never one cluster."""
    bounds = np.array([BOUNDS[objective](k) for k in numbers[1:]])
    return 1 + int(np.argmax(np.asarray(values)[1:] / bounds))


def stable(agreement: ArrayLike, level: float = LEVEL) -> int:
    """The last fit whose agreement between parts of the data reaches ``level`` (Ben-Hur, Elisseeff and Guyon 2002)."""
    return int(np.flatnonzero(np.asarray(agreement) >= level)[-1])


def most_stable(agreement: ArrayLike) -> int:
    """The largest agreement; never one cluster, whose agreement is one (after Lange et al. 2004)."""
    return 1 + int(np.argmax(np.asarray(agreement)[1:]))


def gap(values: ArrayLike, references: ArrayLike) -> int:
    """The first fit whose gap, its value less that of data without clusters, the next exceeds by no more than an error.

    Source: Tibshirani, Walther and Hastie 2001, with an objective that is maximised in the place of minus the
    logarithm of the scatter.

    Args:
        values: shape ``[m]``.
        references: values reached on data without clusters, shape ``[B, m]``.
    """
    null = np.asarray(references, dtype=float)
    gaps = np.asarray(values) - null.mean(0)
    error = null.std(0) * math.sqrt(1 + 1 / len(null))
    enough = gaps[:-1] >= gaps[1:] - error[1:]
    return int(np.argmax(enough)) if enough.any() else len(gaps) - 1


def largest_gap(values: ArrayLike, references: ArrayLike) -> int:
    """The largest gap of all; arguments as in `gap`."""
    return int(np.argmax(np.asarray(values) - np.asarray(references).mean(0)))


def consensus(labels: Sequence[NDArray[Any]]) -> int:
    """The partition nearest to what all say of the pairs: who is with whom, averaged; never one cluster.

    The distance is that of Frobenius between co-association matrices; contingency tables have all that it needs, so no
    ``n x n`` matrix is made. In the spirit of Discotec, which has other distances.
    """
    several = labels[1:]
    inner = np.array([[np.square(contingency_matrix(a, b), dtype=float).sum() for b in several] for a in several])
    return 1 + int(np.argmin(inner.diagonal() - 2 * inner.mean(1)))
