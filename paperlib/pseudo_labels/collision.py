r"""The problems of EM with collision cross-entropy (arXiv 2303.07321), convex in the targets, in nats.

.. math::
    \min_{y_i \in \Delta^k} \; -\frac1n \sum_i \ln s_i + \lambda F(\bar y), \qquad s_i = \sum_c \sigma_{ic} y_{ic},
    \qquad F(\bar y) = KL(u \| \bar y) \text{ (forward) or } KL(\bar y \| u) \text{ (reverse)}.

Each update minimises a bound that touches the objective at the present targets and is a sum over rows. Jensen's
inequality gives :math:`-\ln s_i \le -\sum_c r_{ic} \ln y_{ic} + const` with :math:`r_{ic} = \sigma_{ic} y_{ic} / s_i`,
and with the rows' shares of a cluster as weights a bound of F: the negative logarithm of EM forward, and in reverse

.. math::
    F(\bar y') \le \frac1n \sum_{ic} y'_{ic} \ln \frac{y'_{ic}}{z_{ic}}, \qquad z_{ic} = \frac{y_{ic} u_c}{\bar y_c},

the pull to targets that have been rescaled to the prior, as in Sinkhorn's iteration. Neither needs a step size.

The gap is that of linearisation: a convex function is above its tangent, whose least value over the rows of
probabilities is at a vertex.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from paperlib.information import collision_cross_entropy, kl_divergence

RowFunction = Callable[[Tensor, Tensor], Tensor]  # of a chunk of probs and one of targets, each [rows, k]


class CollisionForward:
    """Collision cross-entropy with strong fairness."""

    default_tolerance = 1e-3

    def __init__(self, weight: float, prior: Tensor, dtype: torch.dtype) -> None:
        self.weight, self.prior, self.dtype = weight, prior, dtype

    def without_fairness(self, probs: Tensor, targets: Tensor) -> Tensor:
        """Write the targets for weight zero, the likeliest clusters; returns the sum of their values."""
        best, cluster = probs.max(1, keepdim=True)
        targets.zero_().scatter_(1, cluster, 1.0)
        return -best.log().sum()

    def update(self, marginal: Tensor) -> RowFunction:
        r"""Targets in proportion to :math:`y_{ic} (\sigma_{ic} / s_i + \lambda u_c / \bar y_c)`; returns their sum."""
        pull = (self.weight * self.prior / marginal).to(self.dtype)

        def update(probs: Tensor, targets: Tensor) -> Tensor:
            agreement = (probs * targets).sum(1, keepdim=True)
            targets *= torch.addcdiv(pull, probs, agreement)
            return normalize_(targets)

        return update

    def certificate(self, marginal: Tensor) -> RowFunction:
        """The sum of the rows' values, and that of their linearisation gaps."""
        descent = (-self.weight * self.fairness_gradient(marginal)).to(self.dtype)

        def certificate(probs: Tensor, targets: Tensor) -> Tensor:
            agreement = (probs * targets).sum(1, keepdim=True)
            slopes = torch.addcdiv(descent, probs, agreement)
            gaps = (targets * (slopes.amax(1, keepdim=True) - slopes)).sum()
            return torch.stack((collision_cross_entropy(probs, targets).sum(), gaps))

        return certificate

    def fairness_gradient(self, marginal: Tensor) -> Tensor:
        """Gradient of the fairness in the marginal, up to a constant."""
        return -self.prior / marginal

    def fairness(self, marginal: Tensor) -> float:
        """Weighted divergence of prior and marginal."""
        return self.weight * float(kl_divergence(self.prior, marginal))


class CollisionReverse(CollisionForward):
    """Collision cross-entropy with weak fairness."""

    def update(self, marginal: Tensor) -> RowFunction:
        r"""Targets that minimise :math:`-\sum_c r_{ic} \ln y'_{ic} + \lambda KL(y'_i \| z_i)`; returns their sum.

        Stationary at :math:`y'_{ic} = r_{ic} / (\lambda v_{ic})` with
        :math:`v_{ic} + \ln v_{ic} = \ln \frac{r_{ic}}{\lambda z_{ic}} + m_i`. The logarithm of :math:`\sum_c y'_{ic}`
        is convex and falls in :math:`m_i`, so Newton's method finds where it is zero, after one step from the left.
        """
        excess = (marginal.clamp_min(torch.finfo(marginal.dtype).tiny) / self.prior).log().to(self.dtype)

        def update(probs: Tensor, targets: Tensor) -> Tensor:
            pull = probs / (self.weight * (probs * targets).sum(1, keepdim=True))
            level = 1 / self.weight - targets @ excess[:, None]  # exact where the targets do not change
            attraction = pull.log() + excess
            targets *= pull
            force = wright_omega(attraction + level)
            for _ in range(50):
                candidate = targets / force
                mass = candidate.sum(1, keepdim=True)
                rest = mass.log()
                step = rest * mass / (candidate / (1 + force)).sum(1, keepdim=True)
                if bool((rest.abs() <= torch.finfo(targets.dtype).eps ** 0.5).all()):
                    candidate *= 1 - step / (1 + force)  # what is left is of second order
                    break
                level += step
                force = wright_omega(attraction + level, force if bool((step.abs() <= 0.1).all()) else None)
            targets.copy_(candidate)
            return normalize_(targets)

        return update

    def fairness_gradient(self, marginal: Tensor) -> Tensor:
        """Gradient of the fairness in the marginal, up to a constant."""
        return (marginal / self.prior).clamp_min(torch.finfo(marginal.dtype).tiny).log()

    def fairness(self, marginal: Tensor) -> float:
        """Weighted divergence of marginal and prior."""
        return self.weight * float(kl_divergence(marginal, self.prior))


def normalize_(targets: Tensor) -> Tensor:
    """Divide each row by its sum, in place; returns the sum of the rows, ``[k]``."""
    inverse = (targets @ targets.new_ones(targets.shape[1])).reciprocal_()
    total = targets.T @ inverse
    targets *= inverse[:, None]
    return total


def wright_omega(x: Tensor, near: Tensor | None = None) -> Tensor:
    r"""The positive :math:`v` with :math:`v + \ln v = x`, for real x, to rounding.

    Steps of Fritsch, Shafer and Crowley (Communications of the ACM 16, 1973), of fourth order: two from the softplus
    function, or one from the value for an x that is off by at most 0.1, ``near``.
    """
    x = x.clamp_min(math.log(torch.finfo(x.dtype).tiny))
    v = torch.nn.functional.softplus(x) if near is None else near
    for _ in range(2 if near is None else 1):
        rest = x - v - v.log()
        scale = 2 * (1 + v) * (1 + v + rest * (2 / 3))
        v = v * (1 + rest / (1 + v) * (scale - rest) / (scale - 2 * rest))
    return v
