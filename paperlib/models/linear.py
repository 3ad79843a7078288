"""The linear softmax model that the theory is about."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
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
    scale: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, *, mean: Tensor | None = None, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros_like(weight[0]) if mean is None else mean.detach().clone())
        self.register_buffer("scale", torch.as_tensor(scale, dtype=weight.dtype, device=weight.device))
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
        self.weight.mul_(factor)
        self.bias.mul_(factor)


@torch.no_grad()
def critical_gamma(x: Tensor, n_clusters: int) -> float:
    r"""Weight of the penalty at which zero rows stop being a local minimum of the mutual information loss.

    At zero rows the loss is :math:`\ln k - \frac{1}{2k} \sum_c (v_c - \bar v)^\top C\, (v_c - \bar v)` up to higher
    orders, with :math:`C` the covariance of the data, so the weight is :math:`\lambda_{\max}(C) / (2k)`: above it, a
    model that ignores the data is a local minimum; below it, rows along the first principal component do better. With
    more than two clusters other models may do better above it too, but none from :math:`\lambda_{\max}(C) / 4` on.
    Derived in chapter 1 of the book, for a fairness weight of one and a uniform prior.

    Cost: O(n d) for each of some tens of Lanczos steps; no covariance matrix is formed.

    Args:
        x: data, shape ``[n, d]``.
        n_clusters: :math:`k`.
    """
    n, d = x.shape
    mean = x.mean(0)
    if d == 1:
        return float((x - mean).square().mean()) / (2 * n_clusters)

    def covariance_times(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        v = torch.from_numpy(vector.reshape(d)).to(x)
        along = x @ v - mean @ v
        return ((x.T @ along - mean * along.sum()) / n).double().cpu().numpy()

    operator = LinearOperator((d, d), matvec=covariance_times, dtype=np.float64)
    first = np.random.default_rng(0).standard_normal(d)
    if not np.any(covariance_times(first)):  # constant data
        return 0.0
    largest = eigsh(operator, k=1, v0=first, tol=1e-5, return_eigenvectors=False)[0]
    return max(float(largest), 0.0) / (2 * n_clusters)
