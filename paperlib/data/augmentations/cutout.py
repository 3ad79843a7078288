"""Squares that hide a part of the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib._checks import check_whole
from paperlib.data.augmentations.base import Augmentation
from paperlib.data.augmentations.draws import Draws


@dataclass(frozen=True)
class Cutout(Augmentation):
    """Overwrites squares around random pixels; where a square reaches over the edge, less of the image is hidden.

    Each hole's centre is uniform over the pixels. A square of an even side has one pixel more above and left of it.

    Source: DeVries and Taylor 2017 (arXiv 1708.04552), who fill normalised images with zero, the mean of the data set:
    for the same, put it behind `Normalize`. Elsewhere a ``fill`` of zero is black.

    Cost: two numbers drawn a hole, and one comparison of each hole with each pixel.

    Args:
        side: side of the square in pixels.
        n_holes: squares an image, which may overlap.
        fill: the value written.

    Raises:
        ValueError: if ``side`` or ``n_holes`` is no whole number of at least one.
    """

    side: int
    n_holes: int = 1
    fill: float = 0.0

    def __post_init__(self) -> None:
        check_whole(self.side, "side")
        check_whole(self.n_holes, "n_holes")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The images with holes, shape as given."""
        height, width = images.shape[-2:]
        rows, columns = self._hidden(height, draws), self._hidden(width, draws)
        hidden = (rows[:, :, :, None] & columns[:, :, None, :]).any(dim=1, keepdim=True)
        return torch.where(hidden, self.fill, images)

    def _hidden(self, length: int, draws: Draws) -> Tensor:
        """Which of the rows (or columns) each hole covers, shape ``[b, n_holes, length]``."""
        start = draws.whole(0, length, self.n_holes, 1) - self.side // 2
        at = torch.arange(length, device=draws.device)
        return (at >= start) & (at < start + self.side)
