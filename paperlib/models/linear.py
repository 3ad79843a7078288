"""The linear softmax model that the theory is about."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearSoftmax(nn.Module):
    r"""Logits :math:`l_c = v_c^\top x + b_c`, one row :math:`v_c` and one bias a cluster.

    The parameters live in the units of the data, centred and scaled to unit total variance, so that optimisation does
    not depend on where the data sit or on their units; ``coef`` and ``intercept`` are the :math:`v` and :math:`b` of
    the raw inputs. It is the same model: the objective is not changed, and the inputs are neither copied nor changed.

    Args:
        weight: first value of ``coef``, shape ``[k, d]``.
        bias: first value of ``intercept``, shape ``[k]``.
        mean: centre of the data, shape ``[d]``; zero when None.
        scale: root of the data's total variance, positive.
    """

    mean: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, *, mean: Tensor | None = None, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros_like(weight[0]) if mean is None else mean)
        self.scale = float(scale)
        self.weight = nn.Parameter((weight * self.scale).detach().clone())
        self.bias = nn.Parameter((bias + weight @ self.mean).detach().clone())

    @property
    def coef(self) -> Tensor:
        """The rows :math:`v_c`, shape ``[k, d]``."""
        return self.weight / self.scale

    @property
    def intercept(self) -> Tensor:
        """The biases :math:`b_c`, shape ``[k]``."""
        return self.bias - self.coef @ self.mean

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``x``, shape ``[n, d]`` to ``[n, k]``. Cost: O(n k d)."""
        return nn.functional.linear(x, self.coef, self.intercept)

    def penalty(self) -> Tensor:
        r"""The regulariser :math:`\sum_c \|v_c\|^2`, bias free.

        For two clusters at an optimum :math:`v_1 = -v_2`, and this is half of :math:`\|v_1 - v_2\|^2`: the theory's
        weight, which multiplies the latter, is half the estimator's.
        """
        return self.weight.square().sum() / self.scale**2

    @torch.no_grad()
    def rescale(self, factor: float) -> None:
        """Multiply all logits by ``factor`` (a temperature of one over it)."""
        self.weight *= factor
        self.bias *= factor
