"""Logits of two views, with and without an axis of heads."""

from __future__ import annotations

from torch import Tensor


def two_views(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The two views of logits ``[2, b, k]``.

    Raises:
        ValueError: if they have another shape.
    """
    if logits.ndim != 3 or len(logits) != 2:
        raise ValueError(f"logits has shape {list(logits.shape)}; [2, b, k] is needed: give Views two augmentations")
    return logits[0], logits[1]


def with_heads(logits: Tensor) -> Tensor:
    """Logits ``[2, b, h, k]`` as they are, or ``[2, b, k]`` as those of one head.

    Raises:
        ValueError: if they have another shape, or there is a single sample.
    """
    if logits.ndim not in (3, 4) or len(logits) != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"logits has shape {list(logits.shape)}; [2, b, k] or [2, b, h, k] with b >= 2 is needed: give Views two "
            "augmentations"
        )
    return logits.unsqueeze(2) if logits.ndim == 3 else logits
