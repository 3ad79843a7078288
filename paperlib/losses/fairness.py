"""Fairness: how far the mean prediction is from the prior over clusters."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from paperlib._checks import check_prior
from paperlib.information import kl_divergence

FairnessDirection = Literal["forward", "reverse"]


def fairness_loss(marginal: Tensor, prior: Tensor | None = None, *, direction: FairnessDirection = "forward") -> Tensor:
    r"""Divergence between the mean prediction and the prior, in nats; to minimise, zero where they agree.

    ``"forward"`` is :math:`KL(u \| \bar y)` (strong fairness): it grows without bound as a cluster empties.
    ``"reverse"`` is :math:`KL(\bar y \| u)` (weak fairness): at most :math:`\max_c \ln(1 / u_c)`, so an empty
    cluster costs little.

    Source: Zhang and Boykov, arXiv 2301.11405, the fairness terms of the self-labelling losses.

    Args:
        marginal: mean of the soft assignments, shape ``[k]`` (or ``[..., k]``, reduced along the last axis).
        prior: target proportions, shape ``[k]``, positive, summing to one; uniform when None.
        direction: which of the two divergences.

    Raises:
        TypeError: if ``marginal`` is not a floating-point tensor.
        ValueError: if ``prior`` does not fit or ``direction`` is neither of the two.
    """
    if not isinstance(marginal, Tensor) or not marginal.is_floating_point():
        raise TypeError(f"marginal must be a floating-point tensor, got {marginal!r}; use torch.as_tensor(..).float()")
    prior = check_prior(prior, marginal)
    if direction == "forward":
        return kl_divergence(prior.expand_as(marginal), marginal)
    if direction == "reverse":
        return kl_divergence(marginal, prior)
    raise ValueError(f"direction must be 'forward' or 'reverse', got {direction!r}")
