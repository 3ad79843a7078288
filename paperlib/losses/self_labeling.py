"""Self-labelling: how a softmax model is tied to soft pseudo-labels."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from paperlib._checks import check_pair
from paperlib.information import cross_entropy

Divergence = Literal["reverse_cross_entropy", "cross_entropy", "collision_cross_entropy"]


def self_labeling_loss(logits: Tensor, targets: Tensor, *, divergence: Divergence = "reverse_cross_entropy") -> Tensor:
    r"""Mean coupling of predictions :math:`\sigma_i` and pseudo-labels :math:`y_i`, in nats; to minimise, >= 0.

    The coupling term only: fairness and regularisation are terms of their own.

    - ``"reverse_cross_entropy"``: :math:`-\sum_c \sigma_{ic} \ln y_{ic}` (Zhang and Boykov, arXiv 2301.11405).
      Linear in the prediction; no gradient where the pseudo-label is uniform.
    - ``"cross_entropy"``: :math:`-\sum_c y_{ic} \ln \sigma_{ic}`, the usual one (Asano et al. 2020; Jabi et al.,
      arXiv 1810.04246). It teaches the model to copy the pseudo-label's uncertainty.
    - ``"collision_cross_entropy"``: :math:`-\ln \sum_c y_{ic} \sigma_{ic}` (arXiv 2303.07321). Symmetric; no
      gradient where the pseudo-label is uniform.

    Args:
        logits: unnormalised log-probabilities, shape ``[n, k]``.
        targets: pseudo-labels, shape ``[n, k]``, rows of probabilities. A target of zero where the model gives mass
            makes the reverse cross-entropy infinite.
        divergence: which coupling.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ or ``divergence`` is not one of the three.
    """
    check_pair(logits, targets, "logits", "targets")
    log_probs = torch.log_softmax(logits, dim=-1)
    if divergence == "reverse_cross_entropy":
        per_sample = cross_entropy(log_probs.exp(), targets)
    elif divergence == "cross_entropy":
        per_sample = -(targets * log_probs.masked_fill(targets == 0, 0.0)).sum(-1)
    elif divergence == "collision_cross_entropy":
        present = targets != 0
        log_targets = torch.where(present, torch.where(present, targets, 1.0).log(), -math.inf)
        per_sample = -torch.logsumexp(log_probs + log_targets, dim=-1)
    else:
        allowed = ", ".join(map(repr, get_args(Divergence)))
        raise ValueError(f"divergence must be one of {allowed}, got {divergence!r}")
    return per_sample.mean()
