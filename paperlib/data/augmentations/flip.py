"""The mirror image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.data.augmentations._settings import check_probability
from paperlib.data.augmentations.base import Augmentation
from paperlib.data.augmentations.draws import Draws


@dataclass(frozen=True)
class RandomHorizontalFlip(Augmentation):
    """Exchanges left and right, by a coin for each image.

    Not for digits or letters, which it turns into other signs.

    Cost: one number drawn a sample; the pixels are copied twice.

    Args:
        probability: of each image to be flipped.

    Raises:
        ValueError: if ``probability`` is outside ``[0, 1]``.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self.probability, "probability")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The images, some of them mirrored; shape as given."""
        return torch.where(draws.coin(self.probability)[:, None, None, None], images.flip(-1), images)
