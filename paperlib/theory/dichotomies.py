r"""Every way to split points of the plane by a line, each exactly once, exact on degenerate data too.

Two sets are strictly separated by a line exactly if they have inner common tangents. Direct such a tangent from the set
on its left, :math:`A`, to the one on its right, :math:`B`: one of the two tangents has this orientation, and along it
all points of :math:`A` come before all points of :math:`B`. With :math:`p` the last of :math:`A` and :math:`q` the
first of :math:`B` on it,

    *splits by a line correspond one to one to pairs of points p, q with no other point between them:* A is what lies
    left of the line from p to q, and on it up to p.

Points in general position have :math:`n (n - 1) / 2` such pairs. The pairs of one point :math:`p` are met in turn by a
line that rotates about :math:`p`, so sorting directions is all the work. Which of two directions comes first is decided
by floats where these differ beyond doubt, else by whole numbers (floats are dyadic rationals).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paperlib._checks import check_points

_DOUBT = 4e-15  # two angles in [0, pi) that differ by more are in the right order: each has an error below 1.5e-15
_CHUNK = 2**19  # entries of a working array


class Sweep(NamedTuple):
    """The splits that a line meets as it rotates about each of ``c`` points ``p`` from direction 0 to pi.

    Attributes:
        anchors: indices of the points ``p``, shape ``[c]``.
        order: the other points by the angle, modulo pi, of their direction from ``p``, shape ``[c, n - 1]``.
        ahead: whether they are ahead of ``p`` on the directed line, shape ``[c, n - 1]``.
        splits: whether a split belongs to this position, shape ``[c, n - 1]``: its side A is ``p``, what is ahead at
            later positions, and what is behind up to and at this one.
    """

    anchors: NDArray[np.int64]
    order: NDArray[np.int64]
    ahead: NDArray[np.bool_]
    splits: NDArray[np.bool_]

    def members(self, rows: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Side A of the splits at some rows and positions, each ``[m]``, as booleans ``[m, n]``."""
        width = self.order.shape[1]
        later = np.arange(width) > positions[:, None]
        sides = np.empty((len(rows), width + 1), dtype=bool)
        np.put_along_axis(sides, self.order[rows], self.ahead[rows] == later, axis=1)
        np.put_along_axis(sides, self.anchors[rows, None], True, axis=1)
        return sides


def linear_dichotomies(x: Any, *, balanced: bool = False) -> NDArray[np.bool_]:
    r"""Every split of points in the plane by a line that has points on both sides and none on itself, once each.

    Exact for any floats: points in rows or grids, and equal points, which no line parts. Time O(n^2 log n) beside the
    output, which has up to n(n-1)/2 rows, in general position just as many. Near-collinear points cost more, as their
    order takes exact arithmetic.

    Args:
        x: points, shape ``[n, 2]``, array or tensor.
        balanced: only the splits into halves of n/2 points; they are few.

    Returns:
        Booleans ``[m, n]``, one row a split, False for the side of point 0. No row if all points are equal.

    Raises:
        ValueError: if ``x`` is not in the plane or not finite, or ``balanced`` is asked of an odd number of points.
    """
    points, inverse, counts = distinct(check_points(x, plane=True))
    n = len(inverse)
    if balanced and n % 2:
        raise ValueError(f"x has n={n} points, an odd number, and no halves; drop a point or use balanced=False")
    found = [np.empty((0, len(points)), dtype=bool)]
    for sweep in sweeps(points):
        chosen = sweep.splits
        if balanced:
            chosen = chosen & (side_sums(sweep, counts[:, None])[..., 0] == n // 2)
        found.append(sweep.members(*np.nonzero(chosen)))
    splits = np.concatenate(found)[:, inverse]
    return splits ^ splits[:, :1]


def distinct(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The different points among ``x``, which of them each row of ``x`` is, and how often each of them occurs."""
    points, inverse, counts = np.unique(x + 0.0, axis=0, return_inverse=True, return_counts=True)  # -0.0 becomes 0.0
    return points, inverse.reshape(-1), counts


def whole(x: NDArray[np.float64]) -> tuple[NDArray[Any], int]:
    """Python integers ``[n, d]`` and a common denominator, such that their quotient is exactly ``x``."""
    fractions = [Fraction(value) for value in x.ravel().tolist()]
    denominator = max(fraction.denominator for fraction in fractions)
    integers = np.empty(x.size, dtype=object)
    integers[:] = [int(fraction * denominator) for fraction in fractions]
    return integers.reshape(x.shape), denominator


def sweeps(points: NDArray[np.float64]) -> Iterator[Sweep]:
    """The splits of n *different* points ``[n, 2]`` by a line, each once, in chunks of rotation centres."""
    n = len(points)
    if n == 1:
        return
    exact, _ = whole(points)
    height = max(1, _CHUNK // n)
    for first in range(0, n, height):
        anchors = np.arange(first, min(first + height, n))
        others = np.arange(n - 1) + (np.arange(n - 1) >= anchors[:, None])
        dx, dy = np.moveaxis(points[others] - points[anchors, None], 2, 0)
        ahead = (dy > 0) | ((dy == 0) & (dx > 0))
        sign = np.where(ahead, 1.0, -1.0)
        angle = np.arctan2(sign * dy, sign * dx)
        by_angle = np.argsort(angle, axis=1)
        doubtful = np.diff(np.take_along_axis(angle, by_angle, 1), axis=1) <= _DOUBT
        order, ahead = (np.take_along_axis(array, by_angle, 1) for array in (others, ahead))
        ties = _settle(exact, anchors, order, ahead, doubtful)
        ends = np.column_stack((~ties, np.ones(len(anchors), dtype=bool)))
        seen = np.cumsum(ahead, axis=1)
        before = np.maximum.accumulate(np.where(ends, seen, 0), axis=1)
        before = np.column_stack((np.zeros(len(anchors), dtype=np.int64), before[:, :-1]))
        yield Sweep(anchors, order, ahead, ends & (seen > before))  # a split needs a point ahead at its own angle


def side_sums(sweep: Sweep, values: NDArray[Any]) -> NDArray[Any]:
    """Sums of ``values`` ``[n, c]`` over side A at every position of a sweep, shape ``[rows, n - 1, c]``."""
    ordered = values[sweep.order]
    ahead = sweep.ahead[..., None]
    start = values[sweep.anchors] + np.where(ahead, ordered, 0).sum(1)
    return start[:, None] - np.cumsum(np.where(ahead, ordered, -ordered), axis=1)


def _settle(
    exact: NDArray[Any],
    anchors: NDArray[np.int64],
    order: NDArray[np.int64],
    ahead: NDArray[np.bool_],
    doubtful: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Put neighbours whose angles are too close for floats into their true order, and say which are equal.

    ``order`` and ``ahead`` ``[c, n - 1]`` are changed in place; ``doubtful`` ``[c, n - 2]`` says of each position
    whether its angle is close to the next. Returned is whether it equals the next, of that shape.
    """

    def directions(rows: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[Any]:
        """Exact directions in the upper half-plane, ``[m, 2]``."""
        sign = np.where(ahead[rows, positions], 1, -1).astype(object)
        return sign[:, None] * (exact[order[rows, positions]] - exact[anchors[rows]])

    rows, positions = np.nonzero(doubtful)
    turns = _turn(directions(rows, positions).T, directions(rows, positions + 1).T)
    wrong = turns < 0
    for row in np.unique(rows[wrong]):
        for run in _runs(doubtful[row], positions[wrong & (rows == row)]):
            vectors = [(*vector, i) for vector, i in zip(directions(np.full(len(run), row), run), run, strict=True)]
            settled = [i for *_, i in sorted(vectors, key=functools.cmp_to_key(lambda one, two: _turn(two, one)))]
            order[row, run], ahead[row, run] = order[row, settled], ahead[row, settled]
    if wrong.any():
        turns = _turn(directions(rows, positions).T, directions(rows, positions + 1).T)
    ties = np.zeros_like(doubtful)
    ties[rows, positions] = turns == 0
    return ties


def _turn(first: Any, second: Any) -> Any:
    """Cross product: positive where the second direction is to the left of the first."""
    return first[0] * second[1] - first[1] * second[0]


def _runs(doubtful: NDArray[np.bool_], wrong: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The stretches of doubtful neighbours, as positions, that hold a wrong pair."""
    breaks = np.nonzero(~doubtful)[0]
    edges = np.concatenate(([-1], breaks, [len(doubtful)]))
    return [np.arange(edges[i] + 1, edges[i + 1] + 1) for i in np.unique(np.searchsorted(breaks, wrong))]
