"""Contrastive Clustering's contrast of clusters: the columns of two assignment matrices."""

from __future__ import annotations

from torch import Tensor

from paperlib._checks import check_pair, check_positive
from paperlib.information import entropy
from paperlib.losses.contrastive import feature_contrastive_loss


def cluster_contrastive_loss(logits_a: Tensor, logits_b: Tensor, *, temperature: float = 1.0) -> Tensor:
    r"""Each cluster must know itself in the other view, :math:`\ell - H(\bar\sigma^a) - H(\bar\sigma^b)`.

    A scalar to *minimise*, in nats. Cluster c is the column of its probabilities over all samples, in either view: 2k
    columns, each with the same cluster of the other view as the positive and the rest as negatives.
    :math:`\ell` is :func:`feature_contrastive_loss` of these columns: similarities are cosines over the temperature.

    Source: Li et al. 2021 (Contrastive Clustering, arXiv 2009.09687), with the temperature of their settings. Their
    code adds a constant, ``2 * log k``. Beside this loss they contrast features, which is
    :func:`feature_contrastive_loss` with the samples in the rows.

    - One-hot predictions that agree and share the samples equally give
      :math:`\ln(1 + 2 (k - 1) e^{-1 / \tau}) - 2 \ln k`.
    - Uniform predictions give ``log(2 * k - 1) - 2 * log k``. So does any one prediction that all samples share, less
      twice its entropy in the place of ``2 * log k``; all samples in one cluster is the limit of that.

    Columns are scaled before they are exponentiated, so that a nearly empty cluster keeps its direction. One of which
    no sample is possible has none: its cosines are zero.

    Cost: O(n k^2) time, O(n k + k^2) memory.

    Args:
        logits_a: unnormalised log-probabilities of one view, shape ``[n, k >= 2]``.
        logits_b: those of the other view of the same samples, same shape; swapping the views changes nothing.
        temperature: :math:`\tau`, positive.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ, there is a single cluster, or the temperature is out of range.
    """
    check_pair(logits_a, logits_b, "logits_a", "logits_b")
    check_positive(temperature, "temperature")
    if logits_a.shape[1] < 2:
        raise ValueError("logits_a and logits_b have 1 cluster; a contrast of clusters needs at least two")
    log_probs = logits_a.log_softmax(1), logits_b.log_softmax(1)
    contrast = feature_contrastive_loss(*map(_columns, log_probs), temperature=temperature)
    return contrast - sum(entropy(one.exp().mean(0)) for one in log_probs)


def _columns(log_probs: Tensor) -> Tensor:
    """The columns of ``exp(log_probs)`` as rows ``[k, n]``, each divided by its largest entry."""
    largest = log_probs.detach().amax(0)
    return (log_probs - largest.masked_fill(largest.isneginf(), 0.0)).exp().mT
