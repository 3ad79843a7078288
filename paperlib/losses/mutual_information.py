"""Mutual information of inputs and predicted clusters, the loss that the other objectives descend from."""

from __future__ import annotations

import torch
from torch import Tensor

from paperlib._checks import check_matrix, check_prior, check_weight
from paperlib.information import kl_divergence


def mutual_information_loss(logits: Tensor, *, fairness_weight: float = 1.0, prior: Tensor | None = None) -> Tensor:
    r"""Decisiveness plus fairness, :math:`\frac1n \sum_i H(\sigma_i) + \lambda\, KL(\bar\sigma \| u)`, in nats.

    Source: Bridle, Heading and MacKay (1991); Krause, Perona and Gomes (2010); Zhang and Boykov, arXiv 2301.11405.
    A scalar to *minimise*, at least zero. With weight one and a uniform prior it is
    :math:`\ln k - I(\text{input}; \text{cluster})`, so it lies in ``[0, log k]``.

    Args:
        logits: unnormalised log-probabilities, shape ``[n, k]``.
        fairness_weight: the :math:`\lambda` above, at least zero.
        prior: target proportions :math:`u`, shape ``[k]``, positive, summing to one; uniform when None.

    Raises:
        TypeError: if ``logits`` is not a floating-point tensor.
        ValueError: if a shape, the weight or the prior is out of range.
    """
    check_matrix(logits, "logits")
    weight = check_weight(fairness_weight, "fairness_weight")
    prior = check_prior(prior, logits)
    log_probs = torch.log_softmax(logits, dim=-1)
    probs = log_probs.exp()
    marginal = probs.mean(0)
    decisiveness = -(probs * log_probs.masked_fill(probs == 0, 0.0)).sum() / logits.shape[0]
    return decisiveness + weight * kl_divergence(marginal, prior)
