"""Objectives that compare two views of each sample."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from paperlib.losses import confident_cross_entropy, invariant_information_loss, scan_loss


@dataclass(frozen=True)
class InvariantInformation:
    """:func:`paperlib.losses.invariant_information_loss` of two views (IIC)."""

    marginal_weight: float = 1.0

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[2, b, k]``, in nats."""
        first, second = _two(logits)
        return invariant_information_loss(first, second, marginal_weight=self.marginal_weight)


@dataclass(frozen=True)
class Scan:
    """:func:`paperlib.losses.scan_loss` of samples and neighbours (`Views` with ``neighbors``): SCAN's second step."""

    entropy_weight: float = 5.0

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[2, b, k]``, samples first, then neighbours; in nats."""
        sample, neighbor = _two(logits)
        return scan_loss(sample, neighbor, entropy_weight=self.entropy_weight)


@dataclass(frozen=True)
class ConfidentLabels:
    """:func:`paperlib.losses.confident_cross_entropy` of a weak and a strong view: SCAN's third step."""

    threshold: float = 0.99
    balanced: bool = True

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The loss of ``logits``, shape ``[2, b, k]``, the weak view first; in nats."""
        weak, strong = _two(logits)
        return confident_cross_entropy(weak, strong, threshold=self.threshold, balanced=self.balanced)


def _two(logits: Tensor) -> tuple[Tensor, Tensor]:
    if logits.ndim != 3 or len(logits) != 2:
        raise ValueError(f"logits has shape {list(logits.shape)}; [2, b, k] is needed: give Views two augmentations")
    return logits[0], logits[1]
