"""SCAN: neighbours share a cluster, and then confident predictions teach the others."""

from __future__ import annotations

from numbers import Real

import torch
from torch import Tensor
from torch.nn import functional

from paperlib._checks import check_pair, check_weight
from paperlib.information import entropy


def scan_loss(logits: Tensor, neighbor_logits: Tensor, *, entropy_weight: float = 5.0) -> Tensor:
    r"""Semantic clustering by neighbours, :math:`-\frac1n \sum_i \ln \sigma_i^\top \nu_i - \lambda H(\bar\sigma)`.

    A scalar to *minimise*, in nats. :math:`\sigma_i` predicts sample i, :math:`\nu_i` a neighbour of it, and
    :math:`\bar\sigma` is the mean of the :math:`\sigma_i` alone, as in the authors' code. They find the neighbours
    once, in the features of a pretrained network (:func:`paperlib.neighbors.nearest_neighbors`), and draw one of them,
    or the sample itself, for each step.

    The first term, consistency, is the collision cross-entropy of Zhang and Boykov (arXiv 2303.07321,
    :func:`self_labeling_loss`) with the neighbour's prediction as the pseudo-label, but one that learns too: gradients
    flow into both. The dot product is taken on log-probabilities, so it never underflows.

    Source: Van Gansbeke et al. 2020 (arXiv 2005.12320), equation 2; the default weight is that of the authors'
    settings for CIFAR-10, CIFAR-100-20 and STL-10.

    The value is at least ``-entropy_weight * log k``, reached by one-hot predictions that agree and share the samples
    equally. All samples in one cluster give zero, uniform predictions ``(1 - entropy_weight) * log k``.

    Args:
        logits: unnormalised log-probabilities of the samples, shape ``[n, k]``.
        neighbor_logits: those of one neighbour of each sample, shape ``[n, k]``.
        entropy_weight: the :math:`\lambda` above, at least zero.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ, or the weight is out of range.
    """
    check_pair(logits, neighbor_logits, "logits", "neighbor_logits")
    weight = check_weight(entropy_weight, "entropy_weight")
    log_probs = logits.log_softmax(-1)
    consistency = -torch.logsumexp(log_probs + neighbor_logits.log_softmax(-1), dim=-1).mean()
    return consistency - weight * entropy(log_probs.exp().mean(0))


def confident_cross_entropy(
    weak_logits: Tensor, strong_logits: Tensor, *, threshold: float = 0.99, balanced: bool = True
) -> Tensor:
    r"""Cross-entropy of strongly augmented views to the labels of weakly augmented ones, where these are confident.

    A scalar to *minimise*, in nats, at least zero. The label of a sample is the likeliest cluster of its weak view; a
    sample counts where that cluster's probability is above ``threshold``. No gradient flows through the weak view.

    With ``balanced`` the weight of a sample is one over the number of confident samples of its label, so the loss is
    the mean, over the labels present, of the mean cross-entropy of each; without, it is the mean over the confident
    samples. Where none is confident the loss is zero, and so is its gradient (the authors' code raises an error).

    Source: Van Gansbeke et al. 2020 (arXiv 2005.12320), the self-labelling step of section 2.3; weights and threshold
    as in the authors' code.

    Args:
        weak_logits: unnormalised log-probabilities of the weak views, shape ``[n, k]``.
        strong_logits: those of the strong views of the same samples, shape ``[n, k]``.
        threshold: from zero, where every sample counts, to below one.
        balanced: whether each label counts the same, or each sample.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ, or the threshold is out of range.
    """
    check_pair(weak_logits, strong_logits, "weak_logits", "strong_logits")
    if not isinstance(threshold, Real) or not 0 <= threshold < 1:
        raise ValueError(f"threshold must be a number with 0 <= threshold < 1, got {threshold!r}")
    confidence, labels = weak_logits.softmax(-1).max(-1)
    confident = confidence > threshold
    per_sample = functional.cross_entropy(strong_logits, labels, reduction="none").masked_fill(~confident, 0.0)
    weights = confident.to(per_sample.dtype)
    if balanced:
        members = weights.new_zeros(weak_logits.shape[1]).index_add(0, labels, weights)
        weights = weights / members[labels].clamp_min(1)
    return (weights * per_sample).sum() / weights.sum().where(confident.any(), 1.0)
