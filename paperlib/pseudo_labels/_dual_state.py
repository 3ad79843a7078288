"""The iterate of `paperlib.pseudo_labels.dual_newton`, which has the derivation, and what a step does to it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from paperlib.information import cross_entropy, kl_divergence
from paperlib.pseudo_labels._laplacian import solve_laplacian

_CHUNK = 2**16  # entries of an array of a chunk of rows: the arrays of a chunk stay in the processor's cache
_TO_BOUNDARY = 0.99  # of the way to where a target or a distance would be zero is gone at most


class DualState:
    """Targets, and the slopes and multipliers as ``gaps`` and ``excess``: below and above the steepest slope.

    A distance is their sum, and they are at least zero: it keeps its digits where the slopes' rounding unit is larger.
    Arrays of ``[n, k]`` are held transposed, which makes each operation a long loop when k is small.
    """

    def __init__(self, probs: Tensor, prior: Tensor, weight: float) -> None:
        self.probs, self.prior, self.weight = probs, prior, weight
        n, k = probs.shape
        self.targets = torch.empty((k, n), dtype=probs.dtype, device=probs.device)
        self.marginal, self.gaps, self.excess = prior, torch.zeros_like(prior), prior.new_zeros(n)

    def chunks(self) -> Iterator[tuple[slice, Tensor]]:
        """Slices of the rows and their predictions, ``[k, rows]``."""
        n, k = self.probs.shape
        rows = max(1, _CHUNK // k)
        for first in range(0, n, rows):
            part = slice(first, min(first + rows, n))
            yield part, self.prior.new_empty((k, part.stop - first)).copy_(self.probs[part].T)

    def slopes(self) -> Tensor:
        r"""Slopes :math:`w` with :math:`\sum_c \lambda u_c / w_c = 1`, shape ``[k]``, for a finite weight.

        The reciprocal of the sum is concave in the lowest slope, so Newton's method on that rises from the left. A
        small lowest slope keeps its digits beside a great one.
        """
        pull, rise = self.weight * self.prior, self.gaps.max() - self.gaps
        lowest, step = (pull - rise).max(), pull.new_tensor(math.inf)
        while step > 4 * torch.finfo(pull.dtype).eps * lowest:
            ratio = pull / (lowest + rise)
            step = ratio.sum() * (ratio.sum() - 1) / (ratio / (lowest + rise)).sum()
            lowest = lowest + step
        return lowest + rise

    def resolution(self) -> float:
        """The residual that rounding can make, of the targets as they are stored and of the sums over the rows."""
        steepest = 0.0 if math.isinf(self.weight) else float((self.weight * self.prior / self.marginal).max())
        return (4 * torch.finfo(self.probs.dtype).eps + 32 * torch.finfo(self.prior.dtype).eps) * (1 + steepest)

    def begin(self, floor: float) -> None:
        """Slopes of the marginal of the predictions, for a weight of at most one, and targets that belong to them."""
        mean = self.probs.mean(0).to(self.prior.dtype).clamp_min_(floor)
        slopes = min(self.weight, 1.0) * self.prior / mean
        self.gaps = slopes.max() - slopes
        for part, p in self.chunks():
            p.clamp_min_(floor)
            excess = (p - self.gaps[:, None]).amax(0)
            for _ in range(3):  # nearly the root of sum_c sigma / s = 1, by Newton's method on the reciprocal
                distance = self.gaps[:, None] + excess
                ratio = p / distance
                total = ratio.sum(0)
                excess += total * (total - 1) / (ratio / distance).sum(0)
            y = p / (self.gaps[:, None] + excess)
            self.excess[part], self.targets[:, part] = excess, y / y.sum(0)
        self.marginal = self.targets.to(self.prior.dtype).mean(1)

    def resume(self, start: Tensor, floor: float) -> float:
        """Take the targets ``start`` and the slopes that belong to them; returns their residual."""
        self.marginal = start.to(self.prior.dtype).mean(0)
        if math.isinf(self.weight) or not self.marginal.amin() > 0:
            return math.inf
        slopes = self.weight * self.prior / self.marginal
        self.gaps, worst = slopes.max() - slopes, 0.0
        for part, p in self.chunks():
            y = torch.empty_like(p).copy_(start[part].T).clamp_min_(torch.finfo(start.dtype).tiny ** 0.5)
            excess = torch.maximum(1 - self.gaps @ y, (p.clamp_min_(floor) - self.gaps[:, None]).amax(0))
            self.excess[part], self.targets[:, part] = excess, y
            worst = max(worst, float((y * (self.gaps[:, None] + excess) - p).abs_().sum(0).amax()))
        return worst

    def step(self, floor: float, last_floor: float) -> tuple[float, float]:
        """One step for predictions of at least ``floor``; returns a bound of the residual and the step's length."""
        direction = self.direction(floor)
        gaps, n = self.gaps[:, None], len(self.probs)
        marginal, changes = torch.zeros_like(self.prior), torch.empty_like(self.excess)
        worst, shortest, off_products = 0.0, 1.0, 0.0
        for part, p in self.chunks():
            y = self.targets[:, part].to(p.dtype)
            distance = gaps + self.excess[part]
            inverse = distance.reciprocal()
            a = y * inverse
            wanted = p.clamp_min(floor).mul_(inverse)
            change = (wanted.sum(0) - 1 + direction @ a) / a.sum(0)  # of the multipliers
            changes[part] = change
            growth = (change - direction[:, None]).mul_(inverse)  # of the distances, in proportion to them
            worst = max(worst, -float(growth.amin()))
            growth += 1
            y_change = wanted.sub_(growth * y)
            lengths = _TO_BOUNDARY / (y_change / y).amin(0).neg_().clamp_min_(_TO_BOUNDARY)
            shortest = min(shortest, float(lengths.amin()))
            y = y_change.mul_(lengths).add_(y)
            self.targets[:, part] = y
            marginal += y.sum(1)
            products = growth.mul_(distance).mul_(y)  # of targets and distances after a full step
            off_products = max(off_products, float((products - p).abs_().sum(0).amax()))
        length = _TO_BOUNDARY / max(worst, _TO_BOUNDARY)
        moved = self.gaps - length * direction
        self.gaps = moved - moved.min()
        self.excess = (self.excess + length * changes + moved.min()).clamp_min_(last_floor)
        self.marginal = marginal / n
        if length < 1:
            return math.inf, min(length, shortest)
        if math.isinf(self.weight):
            return max(off_products, float((self.marginal - self.prior).abs().max())), shortest
        off_slopes = self.weight * self.prior / self.marginal + self.gaps
        return 2 * off_products + float(off_slopes.max() - off_slopes.min()), shortest

    def direction(self, floor: float) -> Tensor:
        """The step of the slopes, ``[k]``, up to a common shift."""
        n, k = self.probs.shape
        force, laplacian = torch.zeros_like(self.prior), self.prior.new_zeros((k, k))
        for part, p in self.chunks():
            inverse = (self.gaps[:, None] + self.excess[part]).reciprocal_()
            a = inverse * self.targets[:, part]
            wanted = p.clamp_min_(floor).mul_(inverse)
            total = a.sum(0)
            force -= wanted.sum(1) - a @ ((wanted.sum(0) - 1) / total)
            a *= total.rsqrt_()
            laplacian.addmm_(a, a.T, alpha=-1)
        force, laplacian = force / n, laplacian / n
        if math.isinf(self.weight):
            return solve_laplacian(laplacian, force + self.prior)
        slopes = self.slopes()
        proportions = self.weight * self.prior / slopes
        curvature = self.marginal / slopes
        laplacian -= curvature[:, None] * (curvature / curvature.sum())  # the shift's elimination
        return solve_laplacian(laplacian, force + proportions)

    def value_and_gap(self) -> tuple[float, float]:
        r"""The objective, and a bound of the duality gap in nats.

        For positive slopes and distances that need not be optimal, the gap is
        :math:`\frac1n \sum_i KL(\sigma_i \| y_i s_i) + KL(\lambda u \| w \bar y)` in generalised divergences, by
        the derivation of `em.duality_gap`; with an infinite weight the second term is :math:`w^\top (\bar y - u)`. The
        first is bounded without logarithms by :math:`\sum_c (p_c - q_c)^2 / q_c`, near the optimum its double.
        """
        value = gap = 0.0
        for part, p in self.chunks():
            y = self.targets[:, part].to(p.dtype)
            y = y / y.sum(0)
            self.targets[:, part] = y
            products = y * (self.gaps[:, None] + self.excess[part])
            value -= float(y.log().mul_(p).sum())
            gap += float((p - products).square_().div_(products).sum())
        value, gap = value / len(self.probs), gap / len(self.probs)
        if math.isinf(self.weight):
            return value, gap + float(self.gaps @ (self.marginal - self.prior).abs())
        gap += float(kl_divergence(self.weight * self.prior, self.slopes() * self.marginal))
        return value + self.weight * float(cross_entropy(self.prior, self.marginal)), gap
