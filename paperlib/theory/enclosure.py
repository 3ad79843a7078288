r"""Bounds that hold between the points of any grid: the least loss over all lines that give the points stated labels.

The loss is :func:`paperlib.theory.two_class_loss` with Shannon's entropy; the lines :math:`f = w^\top x + b` are those
that agree with labels :math:`s_i = \pm 1`, so that :math:`t_i = s_i f_i \ge 0` for all points. Branch and bound covers
all of them that could matter by boxes of :math:`(w, b)`, bounds the loss on each from below, and halves those whose
bound is too low.

* **The first box.** The line :math:`w = 0, b = 0` loses :math:`\ln 2`, so no better line has
  :math:`\gamma \|w\|^2 > \ln 2`. As both labels occur, :math:`-w^\top x_i \le b \le -w^\top x_j` for some points of
  either label, so :math:`|b| \le \|w\| \max_i \|x_i\|`. Sides are rounded up to powers of two, so that halving is exact
  and the boxes leave no gap.
* **The bound on a box.** :math:`f_i` is linear, so its range is that of its corners. :math:`H` falls with
  :math:`t_i \ge 0`, so it is least at the largest :math:`t_i`. With :math:`\tau = \tanh(t / 2)`, which rises, the mean
  prediction is :math:`\frac12 (1 \pm \delta)`, :math:`\delta = \frac1n \sum_i s_i \tau_i`, and the terms of
  :math:`KL = \sum_m \delta^{2m} / (2m (2m - 1))` are positive: any number of them is a lower bound.
  A box on which some :math:`t_i` is negative throughout holds no such line and is dropped.
* **Transcendental functions** come from a table in steps of 1/64, each entry enclosed by mpmath's interval arithmetic.
  Between entries :math:`H` and :math:`\tau` are interpolated. As :math:`|H''|, |\tau''| \le 1/4`, that is off by at
  most :math:`(1/64)^2 / 32`, which is allowed for. (:math:`H'' = \sigma'(t) (t \tau - 1)`, with :math:`\sigma' \le 1/4`
  and :math:`\sigma' \le e^{-t}`, lies between :math:`-1/4` and :math:`(t - 1) e^{-t} \le e^{-2}`, and
  :math:`|\tau''| = 2 p (1 - p) |1 - 2p|` with :math:`p = \sigma(t)` is at most :math:`1 / (3 \sqrt 3)`.)
* **Rounding.** What remains are sums and products in float64. A result of ``m`` of them is off by at most
  :math:`m\, 2^{-53}` times the sum of the absolute values, to first order; at least twice that is allowed for: in
  the range of each :math:`f_i` (where ``m`` is below 8), in :math:`\delta`, and in the bound itself.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from paperlib._checks import check_points, check_positive, check_weight
from paperlib.theory.hard_margin import hard_margin
from paperlib.theory.two_class import Array, two_class_loss

_STEP = 1 / 64  # of the table; a power of two, so that finding a cell is exact
_END = 48.0  # from here on the entropy is bounded by zero and tau by one
_SLACK = _STEP**2 / 32
_ENTRIES = 2**18  # of an array of boxes and points
_SERIES = 12  # terms of the divergence


@dataclass(frozen=True)
class Enclosure:
    """The least loss over the lines with given labels: at least ``lower`` and at most ``upper``, in nats.

    Attributes:
        lower: rigorous lower bound.
        upper: rigorous upper bound: of the loss at ``weight`` and ``bias``.
        weight: weight of the best line found, shape ``[2]``.
        bias: its bias.
        n_boxes: boxes bounded.
        converged: whether ``upper - lower`` is at most the tolerance asked for.
    """

    lower: float
    upper: float
    weight: Array
    bias: float
    n_boxes: int
    converged: bool


def certified_minimum(
    x: ArrayLike,
    labels: ArrayLike,
    gamma: float,
    *,
    fairness_weight: float = 1.0,
    tolerance: float = 1e-3,
    max_boxes: int = 3_000_000,
) -> Enclosure:
    r"""Enclose the least regularised mutual-information loss over every line that gives the points these labels.

    The bounds are rigorous: the lower one holds for every real :math:`(w, b)`, also those on whose line some points
    lie. The module's text has the derivation. Cost: O(n) a box; boxes grow as the tolerance shrinks, about 3e5 at 1e-3
    and 40 points (two seconds); tolerances below 1e-4 are beyond the table's step.

    Args:
        x: points in the plane, shape ``[n, 2]``.
        labels: two distinct values, shape ``[n]``; swapping them changes nothing.
        gamma: factor of :math:`\|w\|^2`, positive: half the estimators' ``gamma``.
        fairness_weight: factor of :math:`KL(\bar\sigma \| u)`, at least zero.
        tolerance: width of the enclosure to reach, in nats, positive.
        max_boxes: where to give up; the bounds are rigorous then too, only ``converged`` is False.

    Raises:
        ValueError: if a shape, the price, weight or tolerance is out of range, or no line has these labels.
    """
    x, gamma = check_points(x, plane=True), check_positive(gamma, "gamma")
    weight, tolerance = check_weight(fairness_weight, "fairness_weight"), check_positive(tolerance, "tolerance")
    gap = hard_margin(x, labels)  # refuses what are no labels, or labels that no line has
    signs = np.where(np.asarray(labels) == np.unique(labels)[1], 1.0, -1.0)
    line, bias = _best_line(x, signs, gamma, weight, gap.weight, gap.bias)
    upper = loss_upper_bound(line, bias, x, gamma, fairness_weight=weight)
    cloud = x - x.mean(0)  # off by one rounding, which the allowance for f covers
    lower, n_boxes = _branch_and_bound(cloud, signs, gamma, weight, upper - tolerance, max_boxes)
    return Enclosure(lower, upper, line, bias, n_boxes, lower >= upper - tolerance)


def loss_upper_bound(weight: Array, bias: float, x: Array, gamma: float, *, fairness_weight: float = 1.0) -> float:
    """The two-class loss at one line, rounded upwards: interval arithmetic at every step; arguments as there."""
    interval = mpmath.iv.mpf
    w, n = [interval(float(v)) for v in weight], len(x)
    total, first, second = interval(0), interval(0), interval(0)
    for point in x.tolist():
        f = sum((u * v for u, v in zip(w, map(interval, point), strict=True)), interval(float(bias)))
        small, large = 1 / (1 + mpmath.iv.exp(f)), 1 / (1 + mpmath.iv.exp(-f))
        total -= small * mpmath.iv.log(small) + large * mpmath.iv.log(large)
        first, second = first + large / n, second + small / n  # neither is zero: exponents have no bound here
    divergence = mpmath.iv.log(2) + first * mpmath.iv.log(first) + second * mpmath.iv.log(second)
    price = interval(float(gamma)) * sum(v * v for v in w)
    return _up(total / n + interval(float(fairness_weight)) * divergence + price)


def _best_line(
    x: Array, signs: Array, gamma: float, fairness_weight: float, weight: Array, bias: float
) -> tuple[Array, float]:
    """A good line with these labels: local searches from the widest gap at four norms, pulled back inside exactly."""
    z, mean, scale = standardised(x)

    def loss(theta: Array) -> tuple[float, Array]:
        return two_class_loss(theta[:2], theta[2], z, gamma / scale**2, fairness_weight=fairness_weight)

    inside = np.append(weight, bias)
    columns = np.column_stack((z, np.ones(len(z)))) * signs[:, None]
    constraint = {"type": "ineq", "fun": lambda theta: columns @ theta, "jac": lambda theta: columns}
    found = [np.zeros(3)]
    for size in (0.1, 1.0, 3.0, 10.0):
        start = size * np.append(weight * scale, bias + weight @ mean)
        end = minimize(loss, start, jac=True, method="SLSQP", constraints=constraint, options={"ftol": 1e-12}).x
        end = np.append(end[:2] / scale, end[2] - end[:2] @ mean / scale)
        lines = ((1 - step) * end + step * inside for step in (0.0, *np.geomspace(1e-12, 1, 25)))
        found += [line for line in lines if _agrees(line, x, signs)][:1]
    losses = [two_class_loss(v[:2], v[2], x, gamma, fairness_weight=fairness_weight)[0] for v in found]
    best = found[int(np.argmin(losses))]
    return best[:2], float(best[2])


def standardised(x: Array) -> tuple[Array, Array, float]:
    """Points centred and divided by the root of their mean squared distance from the centre; the centre; that root."""
    mean = x.mean(0)
    scale = math.sqrt(((x - mean) ** 2).sum(1).mean())
    return (x - mean) / scale, mean, scale


def _agrees(theta: Array, x: Array, signs: Array) -> bool:
    """Whether no point is on the wrong side of the line, in exact arithmetic."""
    w, v, b = map(Fraction, theta.tolist())
    heights = [w * Fraction(p) + v * Fraction(q) + b for p, q in x.tolist()]
    return all(height >= 0 if sign > 0 else height <= 0 for height, sign in zip(heights, signs, strict=True))


def _branch_and_bound(
    cloud: Array, signs: Array, gamma: float, fairness_weight: float, target: float, max_boxes: int
) -> tuple[float, int]:
    """A lower bound of the loss, below ``target`` only where the boxes run out; and how many boxes were bounded."""
    reach = math.sqrt(math.log(2) / gamma)
    radius = math.sqrt((cloud**2).sum(1).max())
    sides = [2.0 ** math.ceil(math.log2(side) + 1e-9) for side in (reach, reach, reach * radius)]
    influence = np.append(np.abs(cloud).mean(0), 1.0)  # of each side on f, on average over the points
    lower, n_boxes, batch = math.inf, 0, max(16, _ENTRIES // len(signs))
    stack = [(np.zeros((1, 3)), np.array([sides]), np.full(1, -math.inf))]  # centres, half sides, bounds
    while stack and n_boxes < max_boxes:
        centres, halves, _ = stack.pop()
        longest = np.eye(3)[(halves * influence).argmax(1)]
        halves = halves * (1 - longest / 2)
        centres = np.concatenate((centres - halves * longest, centres + halves * longest))
        halves = np.concatenate((halves, halves))
        bounds = _lower_bounds(centres, halves, cloud, signs, gamma, fairness_weight)
        n_boxes += len(bounds)
        done = (bounds >= target) | (halves < 2.0**-40 * np.array(sides)).any(1)  # so small that halving stays exact
        lower = min(lower, bounds[done].min(initial=math.inf))
        left = np.flatnonzero(~done)
        for start in range(0, len(left), batch):
            chosen = left[start : start + batch]
            stack.append((centres[chosen], halves[chosen], bounds[chosen]))
    return max(0.0, float(min([lower, *(bounds.min() for _, _, bounds in stack)]))), n_boxes


def _lower_bounds(
    centres: Array, halves: Array, cloud: Array, signs: Array, gamma: float, fairness_weight: float
) -> Array:
    """Lower bounds of the loss on boxes ``[m, 3]``, infinite where no line of the box has the labels; ``[m]``."""
    entropies, tau_below, tau_above = _tables()
    n = len(signs)
    columns = (np.column_stack((cloud, np.ones(n))) * signs[:, None]).T
    middle, spread = centres @ columns, halves @ np.abs(columns)
    spread += 2**-49 * (np.abs(centres) @ np.abs(columns) + spread)
    low, high = np.maximum(middle - spread, 0), middle + spread
    possible = (high >= 0).all(1)
    high = np.maximum(high, 0)
    entropy = np.where(high < _END, np.maximum(_interpolate(entropies, high) - _SLACK, 0), 0).mean(1)
    least, most = _interpolate(tau_below, low), np.where(high < _END, _interpolate(tau_above, high) + _SLACK, 1)
    tilt_low, tilt_high = (np.where(signs > 0, a, -b).mean(1) for a, b in ((least, most), (most, least)))
    tilt = np.maximum(np.maximum(tilt_low, -tilt_high) - (n + 8) * 2**-52, 0)
    divergence = sum(tilt ** (2 * m) / (2 * m * (2 * m - 1)) for m in range(1, _SERIES + 1))
    price = gamma * (np.maximum(np.abs(centres) - halves, 0)[:, :2] ** 2).sum(1)
    bound = entropy + fairness_weight * divergence + price
    return np.where(possible, bound - (n + 64) * 2**-52 * (1 + fairness_weight + bound), math.inf)


def _interpolate(table: Array, t: Array) -> Array:
    position = np.minimum(t, _END) / _STEP
    cell = np.minimum(position.astype(np.int64), len(table) - 2)
    return table[cell] + (table[cell + 1] - table[cell]) * (position - cell)


@functools.cache
def _tables() -> tuple[Array, Array, Array]:
    """Lower ends of the entropy, lower and upper ends of tau, at 0, 1/64, ..., 48."""
    rows = []
    for index in range(int(_END / _STEP) + 1):
        t = mpmath.iv.mpf(index) * _STEP
        small = mpmath.iv.exp(-t)
        tau = (1 - small) / (1 + small)
        rows.append((_down(mpmath.iv.log(1 + small) + t * small / (1 + small)), _down(tau), _up(tau)))
    entropies, tau_below, tau_above = np.array(rows).T
    return entropies, tau_below, tau_above


def _down(interval: mpmath.iv.mpf) -> float:
    return math.nextafter(float(interval.a), -math.inf)


def _up(interval: mpmath.iv.mpf) -> float:
    return math.nextafter(float(interval.b), math.inf)
