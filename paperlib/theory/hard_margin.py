"""The hard-margin support vector machine, with a certificate that its margin is the widest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paperlib._checks import check_points

_GAP = 1e-9
_MAX_STEPS = 1000
_TOUCHING = 1e-26  # squared distance of hulls that rounding cannot tell from none, of an extent of one


class HardMargin(NamedTuple):
    """The widest gap between two classes.

    Attributes:
        weight: normal of the separating plane, shape ``[d]``, scaled such that the least :math:`s_i (w^T x_i + b)` is
            one; it points to the class of the larger label.
        bias: offset :math:`b` of the plane.
        margin: distance from the plane to the nearest point, attained by this plane.
        upper_bound: half the distance of two points, one in the convex hull of each class; no margin is larger.
        gap: ``upper_bound / margin - 1``, at most 1e-9: the certificate of optimality.
        support: indices of the points at the margin.
    """

    weight: NDArray[np.float64]
    bias: float
    margin: float
    upper_bound: float
    gap: float
    support: NDArray[np.int64]


def hard_margin(x: Any, labels: Any) -> HardMargin:
    r"""Maximise :math:`\min_i s_i (w^T x_i + b) / \|w\|`, the margin of a plane between two classes; the bias is free.

    The dual problem asks for the least distance of two points, one in each class's convex hull, which is the
    least norm in the hull of all differences. Wolfe's algorithm (Mathematical Programming 11, 1976) finds it: it adds
    the difference that lies furthest back along the present point, and goes to the least norm on the affine hull of the
    differences it holds, dropping those that would get a negative share. It ends after finitely many steps; each costs
    O(n d + d^3). Meant for small problems: up to some thousand points in some dozen dimensions.

    Args:
        x: points, shape ``[n, d]``, array or tensor.
        labels: two different values, shape ``[n]``; points with the larger one have :math:`s_i = 1`, the others -1.

    Returns:
        Plane, margin and certificate.

    Raises:
        ValueError: if shapes disagree, there are not two labels, or the classes are not linearly separable (or by so
            little, some 1e-9 of the data's extent, that rounding hides whether they are).
    """
    points = check_points(x)
    labels = np.asarray(labels)
    if labels.shape != (len(points),):
        raise ValueError(f"labels must have shape [{len(points)}], one for each row of x, got {list(labels.shape)}")
    values = np.unique(labels)
    if len(values) != 2:
        raise ValueError(f"labels must take two values, one for each side, got {values.tolist()}")
    origin = points.mean(0)
    scale = float(np.abs(points - origin).max()) or 1.0
    centred = (points - origin) / scale
    sign = np.where(labels == values[1], 1.0, -1.0)

    between = _least_norm_difference(centred[sign > 0], centred[sign < 0])
    upper = float(np.linalg.norm(between)) / 2
    projected = centred @ between
    low, high = projected[sign > 0].min(), projected[sign < 0].max()
    margin = float(low - high) / (4 * upper) if upper > 0 else 0.0
    if not 0 < upper <= (1 + _GAP) * margin:
        raise ValueError(
            f"the classes are not linearly separable: their convex hulls come within {2 * upper * scale:.2g} of each "
            f"other, of an extent of {scale:.2g}; give labels that some plane separates"
        )
    weight = between * 2 / ((low - high) * scale)
    bias = float(-(low + high) / (low - high) - weight @ origin)
    support = np.nonzero(sign * (2 * projected - low - high) / (low - high) <= 1 + 1e-7)[0]
    return HardMargin(weight, bias, margin * scale, upper * scale, max(upper / margin - 1, 0.0), support)


def _least_norm_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Point of least norm in the convex hull of all ``first[i] - second[j]``, by Wolfe's algorithm, shape ``[d]``."""
    held = (first[0] - second[0])[None]
    shares = np.ones(1)
    point = held[0]
    for _ in range(_MAX_STEPS):  # far more than it takes: should rounding make it cycle
        furthest = first[(first @ point).argmin()] - second[(second @ point).argmax()]
        square = point @ point
        if square <= _TOUCHING or point @ (point - furthest) <= 1e-12 * square or (held == furthest).all(1).any():
            break
        held, shares = np.vstack((held, furthest)), np.append(shares, 0.0)
        while True:
            point, target = _affine_minimum(held)
            falling = np.flatnonzero(target <= 0)
            if not len(falling):
                break
            steps = [(s / (s - t) if s > 0 else 0.0) for s, t in zip(shares[falling], target[falling], strict=True)]
            shares = shares + min(steps) * (target - shares)
            keep = (shares > 0) & (np.arange(len(shares)) != falling[np.argmin(steps)])
            held, shares = held[keep], shares[keep] / shares[keep].sum()
        shares = target
    return point


def _affine_minimum(held: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Point of least norm on the affine hull of the rows of ``held`` ``[m, d]``, and its shares ``[m]``, of sum one."""
    edges = (held[1:] - held[0]).T
    rest = np.linalg.lstsq(edges, -held[0], rcond=None)[0]
    point = held[0] + edges @ rest
    point = point - edges @ np.linalg.lstsq(edges, point, rcond=None)[0]  # again: a short one was mostly rounding
    return point, np.append(1 - rest.sum(), rest)
