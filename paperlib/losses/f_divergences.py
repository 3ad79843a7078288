r"""Generalised mutual information with a divergence between densities: four of them, each one-vs-all and one-vs-one.

By Bayes' rule the density of cluster :math:`c` relative to that of the data is :math:`\alpha_{ic} = p_{ic} / \pi_c`,
prediction over mean prediction, so the predictions are all that these objectives need; where the samples lie plays no
part. ``ova`` compares each cluster with all data, ``ovo`` two clusters drawn independently.

Functions of log-probabilities ``[..., n, k]``, in which no column is minus infinity throughout; they return ``[...]``.
Source: Ohl et al., arXiv 2210.06300; the :math:`\chi^2` objectives from the authors' package. Costs are O(n k), but for
``tv_ovo`` O(n k^2). Written so that no term is negative and none cancels where predictions hardly depend on the input.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_marginal(log_probs: Tensor) -> Tensor:
    r""":math:`\ln \pi_c`, shape ``[..., n, k]`` to ``[..., 1, k]``; accurate where :math:`\pi_c` underflows."""
    return log_probs.logsumexp(-2, keepdim=True) - math.log(log_probs.shape[-2])


def kl_ova(log_probs: Tensor) -> Tensor:
    r"""Mutual information, :math:`\frac1n \sum_{ic} p_{ic} \ln \alpha_{ic}`, in ``[0, log k]`` nats."""
    probs = log_probs.exp()
    log_ratio = (log_probs - log_marginal(log_probs)).masked_fill(probs == 0, 0.0)
    return (probs * log_ratio).sum(-1).mean(-1)


def kl_ovo(log_probs: Tensor) -> Tensor:
    r"""Mutual plus lautum information, :math:`\frac1n \sum_{ic} (p_{ic} - \pi_c) \ln \alpha_{ic}`, nats, unbounded."""
    log_pi = log_marginal(log_probs)
    lautum = (log_pi.exp() * (log_pi - log_probs).masked_fill(log_pi.exp() == 0, 0.0)).sum(-1).mean(-1)
    return kl_ova(log_probs) + lautum


def tv_ova(log_probs: Tensor) -> Tensor:
    r"""Total variation, :math:`\frac1{2n} \sum_{ic} |p_{ic} - \pi_c|`, in ``[0, 1 - 1/k]``."""
    return (log_probs.exp() - log_marginal(log_probs).exp()).abs().sum(-1).mean(-1) / 2


def tv_ovo(log_probs: Tensor) -> Tensor:
    r"""Total variation, :math:`\frac1{2n} \sum_{iab} |\pi_b p_{ia} - \pi_a p_{ib}|`, in ``[0, 1 - 1/k]``.

    With the signs held fixed it is bilinear in :math:`p` and :math:`\pi`, so the two gradients give the value: memory
    is a few arrays ``[n, k]``, never ``[n, k, k]``.
    """
    probs, pi = log_probs.exp(), log_marginal(log_probs).exp()
    with torch.no_grad():
        by_probs, by_pi = torch.zeros_like(probs), torch.zeros_like(pi)
        for a in range(probs.shape[-1]):
            one, its_pi = probs[..., a : a + 1], pi[..., a : a + 1]
            sign = torch.sign(pi * one - its_pi * probs)  # [..., n, k]
            by_probs[..., a] = (sign * pi).sum(-1)
            by_pi += (sign * one).mean(-2, keepdim=True)
    both = (probs * by_probs).sum(-1).mean(-1) + (pi * by_pi).sum((-2, -1))
    return both - both.detach() / 2  # either sum is the value


def hellinger_ova(log_probs: Tensor) -> Tensor:
    r"""Squared Hellinger distance, :math:`1 - \frac1n \sum_{ic} \sqrt{p_{ic} \pi_c}`, in ``[0, 1 - 1/sqrt(k)]``."""
    return _hellinger(log_probs).mean(-1)


def hellinger_ovo(log_probs: Tensor) -> Tensor:
    r"""Squared Hellinger, :math:`1 - \frac1n \sum_i \bigl(\sum_c \sqrt{p_{ic} \pi_c}\bigr)^2`, in ``[0, 1 - 1/k]``."""
    distance = _hellinger(log_probs)
    return (distance * (2 - distance)).mean(-1)


def chi2_ova(log_probs: Tensor) -> Tensor:
    r""":math:`\chi^2`, :math:`\frac1n \sum_{ic} p_{ic}^2 / \pi_c - 1`, in ``[0, k - 1]``.

    Half of it is squared-loss mutual information (Sugiyama et al. 2011).
    """
    return _chi2(log_probs)[0].mean(-1)


def chi2_ovo(log_probs: Tensor) -> Tensor:
    r""":math:`\chi^2`, :math:`\frac1n \sum_i (\sum_a p_{ia}^2 / \pi_a) (\sum_b \pi_b^2 / p_{ib}) - 1`, unbounded.

    Infinite in float32 where a cluster that is used has a prediction below about 1e-38.
    """
    with_squares, with_inverses = _chi2(log_probs)
    return (with_squares + with_inverses + with_squares * with_inverses).mean(-1)


def _hellinger(log_probs: Tensor) -> Tensor:
    r""":math:`\frac12 \sum_c (\sqrt{p_{ic}} - \sqrt{\pi_c})^2`, shape ``[..., n]``."""
    return ((log_probs / 2).exp() - (log_marginal(log_probs) / 2).exp()).square().sum(-1) / 2


def _chi2(log_probs: Tensor) -> tuple[Tensor, Tensor]:
    r""":math:`\sum_c \pi_c (\alpha_{ic} - 1)^2` and the same sum divided by :math:`\alpha_{ic}`, shape ``[..., n]``.

    One less than :math:`\sum_c \pi_c \alpha_{ic}^2` and :math:`\sum_c \pi_c / \alpha_{ic}`, because
    :math:`\sum_c \pi_c \alpha_{ic} = 1`.
    """
    log_pi = log_marginal(log_probs)
    log_ratio, pi = log_probs - log_pi, log_pi.exp()
    terms = pi * torch.expm1(log_ratio).square()
    inverse = torch.where(pi == 0, 0.0, (-log_ratio).exp())
    return terms.sum(-1), (terms * inverse).sum(-1)
