r"""Generalised mutual information with the maximum mean discrepancy: distances between the means of the clusters.

With :math:`\mu_c` the mean of cluster :math:`c` in the feature space of the kernel, weighted by the predictions, and
:math:`\mu` that of all samples,

.. math::
    \text{ova} = \sum_c \pi_c \|\mu_c - \mu\|, \qquad \text{ovo} = \sum_{ab} \pi_a \pi_b \|\mu_a - \mu_b\|.

Both are norms of sums that need no division, :math:`S_c = \pi_c (\mu_c - \mu) = \frac1n \sum_i (p_{ic} - \pi_c) \phi_i`
and :math:`\pi_b S_a - \pi_a S_b`, so a cluster that empties is nothing special. Source: Ohl et al., arXiv 2210.06300.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class SymmetricOperator(Protocol):
    """A symmetric matrix that is known by its products alone."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, n)``."""
        ...

    def __matmul__(self, other: Tensor) -> Tensor:
        """The product with ``[n, m]``, shape ``[n, m]``."""
        ...


def mmd_from_features(logits: Tensor, features: Tensor, *, ovo: bool) -> Tensor:
    """From explicit features, that is, with the kernel of their dot products; no ``n x n`` matrix. Cost: O(n k d).

    Args:
        logits: shape ``[..., n, k]``.
        features: shape ``[..., n, d]``.
        ovo: one-versus-one, at O(k^2 d) more, instead of one-versus-all.

    Returns:
        Shape ``[...]``, in the unit of the features.
    """
    moments, pi = _Moments.apply(logits, features)  # [..., k, d], [..., k, 1]
    sums = moments - pi * moments.sum(-2, keepdim=True)  # probabilities sum to one, so moments to the mean
    if not ovo:
        return torch.linalg.vector_norm(sums, dim=-1).sum(-1)
    a, b = torch.triu_indices(logits.shape[-1], logits.shape[-1], 1, device=logits.device)
    between = pi[..., b, :] * sums[..., a, :] - pi[..., a, :] * sums[..., b, :]
    return 2 * torch.linalg.vector_norm(between, dim=-1).sum(-1)


def mmd_from_gram(probs: Tensor, gram: Tensor | SymmetricOperator, *, ovo: bool) -> Tensor:
    """From the kernel's Gram matrix, or from an operator that multiplies by it. Cost: one product, O(n^2 k).

    Args:
        probs: predictions, shape ``[..., n, k]``; without leading axes where ``gram`` is an operator.
        gram: symmetric and positive semi-definite, ``[..., n, n]``; a square that comes out negative counts as zero.
        ovo: one-versus-one instead of one-versus-all.

    Returns:
        Shape ``[...]``, in the unit of the kernel's square root.
    """
    pi = probs.mean(-2, keepdim=True)
    inner = _QuadraticForm.apply(probs - pi, gram) / probs.shape[-2] ** 2  # [..., k, k]
    own = inner.diagonal(dim1=-2, dim2=-1)
    if not ovo:
        return _root(own).sum(-1)
    a, b = torch.triu_indices(probs.shape[-1], probs.shape[-1], 1, device=probs.device)
    pi = pi.squeeze(-2)
    pi_a, pi_b = pi[..., a], pi[..., b]
    squares = pi_b**2 * own[..., a] + pi_a**2 * own[..., b] - 2 * pi_a * pi_b * inner[..., a, b]
    return 2 * _root(squares).sum(-1)


def _root(squares: Tensor) -> Tensor:
    """Square root with gradient zero at zero and below."""
    positive = squares > 0
    return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)


class _Moments(torch.autograd.Function):
    r""":math:`\frac1n \sum_i p_{ic} x_i` and :math:`\pi_c`, of predictions :math:`p` by their logits.

    On the CPU in chunks of samples that stay in the cache, clusters first, since a softmax over few neighbouring
    numbers is slow: all that comes between the matrix products costs about as much as they do.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        n, k = logits.shape[-2:]
        probs = logits.new_empty(*logits.shape[:-2], k, n)
        moments: Tensor | float = 0.0
        for part in _chunks(logits, features):
            probs[..., part] = logits[..., part, :].mT.contiguous().softmax(-2)
            moments = moments + probs[..., part] @ features[..., part, :]
        ctx.save_for_backward(probs, features)
        return torch.as_tensor(moments) / n, probs.mean(-1, keepdim=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_moments: Tensor, grad_pi: Tensor) -> tuple[Tensor, Tensor | None]:
        probs, features = ctx.saved_tensors
        n = probs.shape[-1]
        grad_moments, grad_pi = grad_moments / n, grad_pi / n
        grad = torch.empty_like(probs.mT, memory_format=torch.contiguous_format)
        for part in _chunks(grad, features):
            by_probs, chosen = grad_moments @ features[..., part, :].mT + grad_pi, probs[..., part]
            grad[..., part, :] = (by_probs.sub_((chosen * by_probs).sum(-2, keepdim=True)).mul_(chosen)).mT
        if not ctx.needs_input_grad[1]:
            return grad, None
        return grad, (probs.mT @ grad_moments).sum_to_size(features.shape)


def _chunks(logits: Tensor, features: Tensor) -> list[slice]:
    """Slices of the samples: on the CPU about a million numbers at a time, elsewhere all of them at once."""
    n, k = logits.shape[-2:]
    rows = max(1024, 2**20 // (features.shape[-1] + 4 * k)) if logits.device.type == "cpu" else n
    return [slice(first, min(first + rows, n)) for first in range(0, n, rows)]


class _QuadraticForm(torch.autograd.Function):
    """``C^T G C`` for symmetric ``G``; the gradient needs no second product with ``G``."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, gram: Tensor | SymmetricOperator) -> Tensor:
        product = gram @ weights
        ctx.save_for_backward(product)
        return weights.mT @ product

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (product,) = ctx.saved_tensors
        return product @ (grad + grad.mT), None
