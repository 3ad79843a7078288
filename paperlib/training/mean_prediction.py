"""The prediction for a sample that is seen in several views."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def mean_prediction(logits: Tensor) -> Tensor:
    r"""Logarithm of the mean prediction over views, :math:`\ln \frac1v \sum_a \sigma_a`, ``[v, b, k]`` to ``[b, k]``.

    With a view drawn at random this is the prediction for the sample. Its entropy is the mean entropy of the views'
    predictions plus how far these are from each other (their Jensen-Shannon divergence), so an objective that asks for
    decisive mean predictions asks for decisive views that agree.

    Args:
        logits: shape ``[v, b, k]``; or ``[b, k]``, of one view, which is returned as it is.
    """
    if logits.ndim != 3:
        return logits
    return torch.logsumexp(logits.log_softmax(-1), dim=0) - math.log(len(logits))
