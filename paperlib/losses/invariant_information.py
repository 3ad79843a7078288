"""Invariant information clustering: what the clusters of two views of one sample tell about each other."""

from __future__ import annotations

import torch
from torch import Tensor

from paperlib._checks import check_pair, check_weight
from paperlib.information import entropy


def invariant_information_loss(logits_a: Tensor, logits_b: Tensor, *, marginal_weight: float = 1.0) -> Tensor:
    r"""Minus the mutual information of the clusters of two views, :math:`H(P) - 2 \lambda H(\bar\sigma)`, in nats.

    A scalar to *minimise*. The joint distribution :math:`P = \frac{1}{2n} \sum_i [\sigma^a_i (\sigma^b_i)^\top +
    \sigma^b_i (\sigma^a_i)^\top]` of the two clusters sums to one by construction, and either of its marginals is the
    mean prediction over both views :math:`\bar\sigma`. The loss is therefore the sum :math:`-\sum_{cd} P_{cd} [\ln
    P_{cd} - \lambda \ln \bar\sigma_c - \lambda \ln \bar\sigma_d]` over all pairs of clusters.

    Source: Ji, Henriques and Vedaldi 2019 (arXiv 1807.06653), equations 2 and 3; :math:`\lambda` is from the authors'
    code (``lamb``).

    - With weight one it is :math:`-I`, in ``[-log k, 0]``; with a larger one in ``[(1 - 2 * weight) * log k, 0]``. The
      lower end is reached by one-hot predictions that agree across the views and share the samples equally.
    - All samples in one cluster give zero, whatever the weight. Weights up to one half do not resist that: none of
      their values is negative.
    - One-hot predictions that agree give, with weight one, minus the entropy of the clusters' shares, which is
      :func:`mutual_information_loss` less ``log k``.

    A pair of clusters that never meets adds nothing to value or gradient, and needs no small constant: a derivative of
    :math:`P_{cd}` by a logit is at most :math:`2 P_{cd}` in size, so its term :math:`P_{cd} \ln P_{cd}` and the slope
    of that term fade together as the predictions saturate.

    Cost: one product of matrices, O(n k^2) time, and O(k^2) memory beside the predictions.

    Args:
        logits_a: unnormalised log-probabilities of one view, shape ``[n, k]``.
        logits_b: those of the other view of the same samples, shape ``[n, k]``; swapping the views changes nothing.
        marginal_weight: the :math:`\lambda` above, at least zero; larger ones ask for equal shares more.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ, or the weight is out of range.
    """
    check_pair(logits_a, logits_b, "logits_a", "logits_b")
    weight = check_weight(marginal_weight, "marginal_weight")
    probs_a, probs_b = logits_a.softmax(-1), logits_b.softmax(-1)
    with torch.autocast(probs_a.device.type, enabled=False):  # it would round the product to half precision
        joint = probs_a.mT @ probs_b / len(probs_a)  # [k, k]
    joint = (joint + joint.mT) / 2
    return entropy(joint.flatten()) - 2 * weight * entropy(joint.sum(0))
