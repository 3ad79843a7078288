r"""Entropies and divergences of discrete distributions, in nats, on probabilities or on logits.

Every function reduces the last axis, which holds the ``k`` outcomes, and keeps the others. ``0 log 0`` is zero by
construction, never by a small constant added; on logits an entry of minus infinity is a probability of zero. All are
differentiable (but the Rényi entropy of order zero, which counts), and where the value is finite so is the gradient: an
outcome of probability exactly zero passes none (on probabilities the true slope there is infinite; on logits it is
zero). Accuracy is absolute: an entropy far below the rounding unit is zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "collision_cross_entropy",
    "cross_entropy",
    "entropy",
    "entropy_from_logits",
    "expected_log",
    "kl_divergence",
    "kl_divergence_from_logits",
    "mutual_information",
    "renyi_entropy",
    "renyi_entropy_from_logits",
]


def entropy(probs: Tensor) -> Tensor:
    r"""Shannon entropy :math:`-\sum_c p_c \ln p_c`, in ``[0, log k]`` nats.

    Source: Shannon (1948), section 6.

    Args:
        probs: distributions along the last axis, shape ``[..., k]``.

    Returns:
        Shape ``[...]``.
    """
    return -expected_log(probs, probs)


def entropy_from_logits(logits: Tensor) -> Tensor:
    """Shannon entropy of ``softmax(logits)``, shape ``[..., k]`` to ``[...]``, in ``[0, log k]`` nats.

    Safe where the softmax underflows: a row as peaked as ``[0, 1000]`` gives zero, with gradient zero.
    """
    log_probs = torch.log_softmax(logits, dim=-1)
    return -_expectation(log_probs.exp(), log_probs)


def renyi_entropy(probs: Tensor, order: float) -> Tensor:
    r"""Rényi entropy :math:`\frac{1}{1-\alpha} \ln \sum_c p_c^\alpha`, in ``[0, log k]`` nats.

    Source: Rényi (1961). Order 0 counts the support (Hartley), 1 is Shannon's, 2 the collision entropy, infinity
    the min-entropy; the value falls as the order grows. Near order 1 no accuracy is lost.

    Args:
        probs: distributions along the last axis, shape ``[..., k]``.
        order: :math:`\alpha`, from 0 to infinity.

    Returns:
        Shape ``[...]``.

    Raises:
        ValueError: if ``order`` is negative or not a number.
    """
    return _renyi(torch.where(probs == 0, -math.inf, torch.where(probs == 0, 1.0, probs).log()), order)


def renyi_entropy_from_logits(logits: Tensor, order: float) -> Tensor:
    """Rényi entropy of ``softmax(logits)``; see :func:`renyi_entropy`."""
    return _renyi(torch.log_softmax(logits, dim=-1), order)


def cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    r"""Cross-entropy :math:`H(p, q) = -\sum_c p_c \ln q_c`, shape ``[...]``; infinite where ``q`` misses mass."""
    return -expected_log(p, q)


def collision_cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    r"""Collision cross-entropy :math:`-\ln \sum_c p_c q_c`: minus the log-probability that two draws agree.

    Source: collision cross-entropy paper (arXiv 2303.07321). Symmetric; zero for equal one-hot vectors, and
    :math:`\ln k` whenever either side is uniform.
    """
    return -(p * q).sum(-1).log()


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    r"""Kullback-Leibler divergence :math:`KL(p \| q) = \sum_c p_c \ln (p_c / q_c)`, at least zero.

    Args:
        p: distributions along the last axis, shape ``[..., k]``.
        q: likewise, broadcast against ``p``. ``KL(p, q)`` is zero-forcing in ``p``, zero-avoiding in ``q``: it is
            infinite where ``q`` is zero and ``p`` is not.

    Returns:
        Shape ``[...]``. Computed as :math:`\sum_c [p_c \ln (p_c / q_c) - p_c + q_c]`, which is the same for
        distributions and the generalised divergence otherwise: no term is negative, and none cancels when ``p`` is
        close to ``q``.
    """
    present = p != 0
    near = present & (p > 0.5 * q) & (p < 2 * q)
    far = present & ~near  # each branch sees harmless numbers where it is not chosen, since its gradient is computed
    log_ratio = torch.where(far, p, 1.0).log() - torch.where(far, q, 1.0).log()
    log_ratio = torch.where(near, torch.log1p(torch.where(near, p - q, 0.0) / torch.where(near, q, 1.0)), log_ratio)
    return (p * log_ratio - (p - q)).sum(-1)


def kl_divergence_from_logits(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """``KL(softmax(logits_p) || softmax(logits_q))``, shape ``[..., k]`` to ``[...]``, without underflow."""
    log_p, log_q = torch.log_softmax(logits_p, dim=-1), torch.log_softmax(logits_q, dim=-1)
    p = log_p.exp()
    return _expectation(p, log_p) - _expectation(p, log_q)


def mutual_information(logits: Tensor) -> Tensor:
    r"""Mutual information of input and predicted cluster, :math:`H(\bar\sigma) - \frac1n \sum_i H(\sigma_i)`.

    Source: Bridle, Heading and MacKay (1991). A scalar in ``[0, log k]`` nats, to maximise: entropy of the mean
    prediction (fairness) less mean entropy of the predictions (decisiveness).

    Args:
        logits: shape ``[n, k]``.
    """
    return entropy(torch.softmax(logits, dim=-1).mean(0)) - entropy_from_logits(logits).mean()


def expected_log(p: Tensor, q: Tensor) -> Tensor:
    r"""Expectation :math:`\sum_c p_c \ln q_c`, shape ``[..., k]`` to ``[...]``, with ``0 log 0 = 0``.

    Minus infinity where ``q`` misses mass of ``p``; outcomes with ``p = 0`` add nothing to value or gradient.
    """
    return (p * torch.where(p == 0, 1.0, q).log()).sum(-1)


def _expectation(p: Tensor, value: Tensor) -> Tensor:
    """``sum_c p_c value_c`` in which an outcome of probability zero adds nothing, even where its value is infinite."""
    return (p * value.masked_fill(p == 0, 0.0)).sum(-1)


def _renyi(log_probs: Tensor, order: float) -> Tensor:
    if not order >= 0:
        raise ValueError(f"order must be a number from 0 to infinity, got {order!r}")
    if order == 0:
        return (log_probs > -math.inf).sum(-1).to(log_probs.dtype).log()
    if order == math.inf:
        return -log_probs.amax(-1)
    probs = log_probs.exp()
    if order == 1:
        return -_expectation(probs, log_probs)
    if abs(order - 1) < 0.5:  # sum p^a = 1 + sum p (p^(a-1) - 1): no cancellation as a tends to one
        excess = torch.expm1((order - 1) * log_probs.masked_fill(probs == 0, 0.0))
        return torch.log1p((probs * excess).sum(-1)) / (1 - order)
    largest = log_probs.amax(-1, keepdim=True)  # taken out, so that no power underflows as the order grows
    order = min(order, torch.finfo(log_probs.dtype).max)
    rest = torch.logsumexp(order * (log_probs - largest), dim=-1)
    return rest / (1 - order) + order / (1 - order) * largest.squeeze(-1)
