r"""Where the best line goes as regularisation fades: to the widest fair gap, as slowly as :math:`1 / \ln(1/\gamma)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize, root
from scipy.special import entr, expit

from paperlib._checks import check_points
from paperlib.theory.dichotomies import linear_dichotomies
from paperlib.theory.hard_margin import HardMargin, hard_margin
from paperlib.theory.two_class import Array, renyi_of_logit, two_class_loss

_SMALLEST_GAMMA = 1e-280  # below it, entropies leave the numbers that float64 holds with all their digits
_N_ANGLES = 24
_SIZES = (0.03, 0.1, 0.3, 1.0)  # of the logits in the fan of starts, relative to the theoretical ones


@dataclass(frozen=True)
class MarginPath:
    r"""The best line :math:`f = w^\top x + b` at each of ``g`` values of gamma, beside the widest fair gap.

    A margin is the distance of a line to the nearest point. The widest fair gap has the largest margin among all lines
    with as many points on either side.

    Attributes:
        gamma: weights of :math:`\|w\|^2`, in the order given, shape ``[g]``.
        loss: the least loss, in nats, ``[g]``.
        weight: :math:`w`, ``[g, 2]``; zero where the best model ignores the data.
        bias: :math:`b`, ``[g]``.
        labels: whether :math:`f > 0`, never true of the first point, ``[g, n]``.
        norm: :math:`\|w\|`, ``[g]``.
        margin: :math:`\min_i |f_i| / \|w\|`, zero where :math:`w = 0`; ``[g]``.
        margin_ratio: the margin over the widest fair one; above one only where the labels are not fair. ``[g]``.
        angle: degrees between :math:`w` and the normal of the widest fair gap, NaN where :math:`w = 0`; ``[g]``.
        is_fair: whether the labels are those of the widest fair gap, ``[g]``.
        theoretical_norm: :math:`\ln(1/\gamma) / (\min(1, \alpha)\, m^*)`, zero for gamma above one; ``[g]``.
        theoretical_loss: gamma times the square of that, ``[g]``.
        fair_margin: :math:`m^*`, half the width of the widest fair gap.
        fair_labels: its labels, ``[n]``; one of the widest, should several be equally wide.
        fair_weight: its normal, scaled such that the nearest points have :math:`|f| = 1`; ``[2]``.
        fair_bias: its bias.
    """

    gamma: Array
    loss: Array
    weight: Array
    bias: Array
    labels: NDArray[np.bool_]
    norm: Array
    margin: Array
    margin_ratio: Array
    angle: Array
    is_fair: NDArray[np.bool_]
    theoretical_norm: Array
    theoretical_loss: Array
    fair_margin: float
    fair_labels: NDArray[np.bool_]
    fair_weight: Array
    fair_bias: float


def margin_path(
    x: ArrayLike, gammas: float | Sequence[float] | Array, *, alpha: float = 1.0, fairness_weight: float = 1.0
) -> MarginPath:
    r"""Global minimisers of :func:`paperlib.theory.two_class_loss` for falling gamma, down to 1e-64 and beyond.

    As :math:`\gamma \to 0` the labels become fair, the margin tends to the widest fair one, and norm and loss approach
    ``theoretical_norm`` and ``theoretical_loss``, all as slowly as :math:`1 / \ln(1/\gamma)`; the proof is in chapter 3
    of the book. (For orders other than one, norm and loss lag by another factor :math:`\ln \ln(1/\gamma)`.)

    At each gamma the logarithm of the loss is minimised from the widest gap of every fair dichotomy and from the
    solutions at larger gammas. A loss below :math:`\min(1, \lambda) / n^2` proves the best labels to be fair; unless it
    is reached, a fan of lines in 24 directions is tried as well. That the best of all these is the global minimum is
    tested against dense grids, not certified.

    Source: the claim is Zhang and Boykov's, arXiv 2301.11405; statement and proof are this project's.
    Cost: up to about 40 local searches in three variables a gamma, O(n) a step; a tenth of a second at 12 points.

    Args:
        x: points in the plane, an even number of them and at least four, shape ``[n, 2]``, array or tensor.
        gammas: weights of :math:`\|w\|^2`, in any order; half the estimators' ``gamma``.
        alpha: order of Renyi's entropy, positive; 1 is Shannon's, and infinity is allowed.
        fairness_weight: weight of fairness, positive.

    Raises:
        ValueError: if an argument is out of range; if no line halves the points; or if at some gamma there is no
            minimiser, since one cluster for all points, ever more surely, is better than any line.
    """
    x, gammas = _checked(x, gammas, alpha, fairness_weight)
    gaps, fair_labels = _fair_gaps(x)
    fair, pace = gaps[0], min(1.0, alpha)

    mean = x.mean(0)
    scale = math.sqrt(((x - mean) ** 2).sum(1).mean())
    corners = np.array([(*(gap.weight * scale), gap.bias + gap.weight @ mean) for gap in gaps])
    lines = np.empty((len(gammas), 3))
    known = np.empty((0, 3))
    for place in np.argsort(-gammas, kind="stable"):
        gamma = float(gammas[place])
        size = max(-math.log(gamma), 1.0) / pace  # of the logits at the nearest points, in theory
        problem = _Problem((x - mean) / scale, gamma / scale**2, alpha, fairness_weight, size * scale / fair.margin)
        lines[place] = problem.best(np.concatenate((corners * size, known)))
        collapse = math.log(fairness_weight * math.log(2))
        if fairness_weight < 1 and problem.log_loss(lines[place] / problem.unit)[0] > collapse - 1e-12:
            raise ValueError(
                f"at gamma={gamma:g} and fairness_weight={fairness_weight:g} there is no best line: one cluster for "
                "all points, ever more surely, beats any; lower gamma or raise fairness_weight"
            )
        known = np.vstack((known, lines[place]))
    lines *= np.where(lines @ np.append((x[0] - mean) / scale, 1) > 0, -1, 1)[:, None]

    weight = lines[:, :2] / scale
    bias = lines[:, 2] - weight @ mean
    logits = weight @ x.T + bias[:, None]
    norm = np.linalg.norm(weight, axis=1)
    informed = norm > 0
    margin = np.abs(logits).min(1) / np.where(informed, norm, math.inf)
    dot, cross = weight @ fair.weight, weight @ (fair.weight[::-1] * (-1, 1))
    theoretical_norm = np.maximum(-np.log(gammas), 0) / (pace * fair.margin)
    return MarginPath(
        gamma=gammas,
        loss=np.array(
            [
                two_class_loss(w, float(b), x, float(gamma), fairness_weight=fairness_weight, alpha=alpha)[0]
                for w, b, gamma in zip(weight, bias, gammas, strict=True)
            ]
        ),
        weight=weight,
        bias=bias,
        labels=logits > 0,
        norm=norm,
        margin=margin,
        margin_ratio=margin / fair.margin,
        angle=np.where(informed, np.degrees(np.arctan2(np.abs(cross), np.abs(dot))), math.nan),
        is_fair=((logits > 0) == fair_labels).all(1) & informed,
        theoretical_norm=theoretical_norm,
        theoretical_loss=gammas * theoretical_norm**2,
        fair_margin=fair.margin,
        fair_labels=fair_labels,
        fair_weight=fair.weight,
        fair_bias=fair.bias,
    )


def _fair_gaps(x: Array) -> tuple[list[HardMargin], NDArray[np.bool_]]:
    """The widest gaps of the balanced dichotomies, the widest of all first, and the labels of that one."""
    found = []
    for labels in linear_dichotomies(x, balanced=True):
        with suppress(ValueError):  # a gap that rounding closes is not the widest
            found.append((hard_margin(x, labels), labels))
    if not found:
        raise ValueError("no line has half of the points on either side; move points that coincide")
    found.sort(key=lambda pair: -pair[0].margin)
    return [gap for gap, _ in found], found[0][1]


@dataclass(frozen=True)
class _Problem:
    """The loss of lines ``(w, b)`` at one gamma, for points centred and scaled to unit variance; ``unit`` of a line."""

    z: Array
    gamma: float
    alpha: float
    fairness_weight: float
    unit: float

    def log_loss(self, theta: Array) -> tuple[float, Array]:
        """Logarithm of the loss at the line ``unit * theta``, and its gradient by ``theta``."""
        line = self.unit * theta
        value, gradient = two_class_loss(
            line[:2], float(line[2]), self.z, self.gamma, fairness_weight=self.fairness_weight, alpha=self.alpha
        )
        return math.log(value), self.unit / value * gradient

    def best(self, starts: Array) -> Array:
        """The best line that local searches find from ``starts``, ``[s, 3]``, and if need be from a fan of lines."""
        theta = self._descend(starts / self.unit)
        if self.log_loss(theta)[0] >= math.log(min(1.0, self.fairness_weight) / len(self.z) ** 2):
            theta = self._descend(np.vstack((theta, self._fan())))
        polished = root(lambda theta: self.log_loss(theta)[1], theta, method="hybr").x
        # Of equals the simplest: where the best model ignores the data, w would be noise.
        candidates = (np.zeros(3), theta * (0, 0, 1), polished, theta)
        theta = min(candidates, key=lambda theta: round(self.log_loss(theta)[0], 13))
        return self.unit * theta

    def _descend(self, starts: Array) -> Array:
        """The best end of local searches from ``starts``."""
        found = [minimize(self.log_loss, start, jac=True, method="BFGS", options={"gtol": 1e-5}) for start in starts]
        return min(found, key=lambda result: result.fun).x

    def _fan(self) -> Array:
        """A line in each of some directions, of the best size and in the best gap, shape ``[_N_ANGLES, 3]``."""
        angles = np.pi * np.arange(_N_ANGLES) / _N_ANGLES
        fan = []
        for direction in np.column_stack((np.cos(angles), np.sin(angles))):
            along = np.sort(self.z @ direction)
            middles = (along[1:] + along[:-1]) / 2
            f = self.unit * np.multiply.outer(_SIZES, along - middles[:, None])  # [sizes, n - 1, n]
            share = expit(f).mean(-1)
            loss = renyi_of_logit(f, self.alpha)[0].mean(-1)
            loss -= self.fairness_weight * (entr(share) + entr(1 - share))  # up to a constant
            loss += self.gamma * (self.unit * np.array(_SIZES)[:, None]) ** 2
            size, middle = np.unravel_index(loss.argmin(), loss.shape)
            fan.append(_SIZES[size] * np.append(direction, -middles[middle]))
        return np.array(fan)


def _checked(x: ArrayLike, gammas: ArrayLike, alpha: float, fairness_weight: float) -> tuple[Array, Array]:
    x = check_points(x, plane=True)
    gammas = np.atleast_1d(np.asarray(gammas, dtype=np.float64))
    if len(x) % 2 or len(x) < 4:
        raise ValueError(
            f"x has {len(x)} points; give an even number, at least four: no line halves an odd number, and then the "
            "best line may leave a point undecided however small gamma is"
        )
    if gammas.ndim != 1 or not len(gammas) or not ((gammas >= _SMALLEST_GAMMA) & np.isfinite(gammas)).all():
        raise ValueError(f"gammas must be finite numbers of at least {_SMALLEST_GAMMA:g}, got {gammas.tolist()}")
    if not alpha > 0:
        raise ValueError(
            f"alpha={alpha!r} must be an order > 0, infinity allowed; the entropy of order 0 is ln 2 for every line, "
            "so that nothing asks for a decision"
        )
    if not 0 < fairness_weight < math.inf:
        raise ValueError(
            f"fairness_weight={fairness_weight!r} must be a finite number > 0; at 0 one cluster for all points is best"
        )
    return x, gammas
