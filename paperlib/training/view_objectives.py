"""Objectives that compare two views of each sample."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from paperlib.losses import (
    cluster_contrastive_loss,
    confident_cross_entropy,
    invariant_information_loss,
    scan_loss,
)
from paperlib.losses.temi import check_beta, information_of
from paperlib.training.running_prior import KeepsPrior, RunningPrior
from paperlib.training.two_views import two_views, with_heads


@dataclass(frozen=True)
class InvariantInformation:
    """:func:`paperlib.losses.invariant_information_loss` of two views (IIC)."""

    marginal_weight: float = 1.0

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[2, b, k]``, in nats."""
        first, second = two_views(logits)
        return invariant_information_loss(first, second, marginal_weight=self.marginal_weight)


@dataclass(frozen=True)
class Scan:
    """:func:`paperlib.losses.scan_loss` of samples and neighbours (`Views` with ``neighbors``): SCAN's second step."""

    entropy_weight: float = 5.0

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[2, b, k]``, samples first, then neighbours; in nats."""
        sample, neighbor = two_views(logits)
        return scan_loss(sample, neighbor, entropy_weight=self.entropy_weight)


@dataclass(frozen=True)
class ClusterContrast:
    """:func:`paperlib.losses.cluster_contrastive_loss` of two views: Contrastive Clustering's contrast of clusters."""

    temperature: float = 1.0

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[2, b, k]``, in nats."""
        first, second = two_views(logits)
        return cluster_contrastive_loss(first, second, temperature=self.temperature)


@dataclass
class Temi(KeepsPrior):
    """:func:`paperlib.losses.temi_loss` of samples and neighbours, with a running estimate of the clusters' shares.

    TEMI's authors have the neighbour's prediction from an averaged teacher network, and weigh pairs by how far the
    teachers agree. There is no teacher here: both predictions are the model's, both learn, all pairs count the same.

    Attributes:
        beta: the power.
        prior: a running mean of the predictions, one for each head; ``RunningPrior(0)`` is the present batch's alone.

    Raises:
        ValueError: if the power is out of range.
    """

    beta: float = 0.6
    prior: RunningPrior = field(default_factory=RunningPrior)

    def __post_init__(self) -> None:
        self.beta = check_beta(self.beta)

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, ``[2, b, k]`` or ``[2, b, h, k]``, in nats, a mean over heads.

        The batch is taken into the running prior first.
        """
        logits = with_heads(logits)
        with torch.no_grad():
            self.prior.update(logits.softmax(-1).mean((0, 1)))
        return self.per_head(logits).mean()

    def per_head(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of each head, shape ``[h]``; the running prior stays as it is.

        Before the first batch the prior is that of ``logits``.
        """
        logits = with_heads(logits)
        pairs = zip(logits.unbind(2), self.prior.of_heads(logits), strict=True)
        return torch.stack([information_of(one[0], one[1], prior, self.beta) for one, prior in pairs])


@dataclass(frozen=True)
class ConfidentLabels:
    """:func:`paperlib.losses.confident_cross_entropy` of a weak and a strong view: SCAN's third step."""

    threshold: float = 0.99
    balanced: bool = True

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[2, b, k]``, the weak view first; in nats."""
        weak, strong = two_views(logits)
        return confident_cross_entropy(weak, strong, threshold=self.threshold, balanced=self.balanced)
