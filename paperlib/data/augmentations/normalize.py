"""Each channel shifted and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib._checks import check_positive
from paperlib.data.augmentations.base import Augmentation, as_given, wide
from paperlib.data.augmentations.draws import Draws


@dataclass(frozen=True)
class Normalize(Augmentation):
    r"""Each channel as :math:`(x - \mu) / \sigma`; draws nothing.

    Put it last: colour changes clip to 0 and 1 what they are given.

    Args:
        mean: :math:`\mu`, one number a channel, or one for all.
        std: :math:`\sigma`, above zero, likewise.

    Raises:
        ValueError: if a setting is out of range; on use, if the images have another number of channels.
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __post_init__(self) -> None:
        for deviation in _numbers(self.std):
            check_positive(deviation, "std")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The images in the new unit, shape as given."""
        pixels, channels = wide(images), images.shape[1]
        mean, std = (torch.tensor(_numbers(value), dtype=pixels.dtype) for value in (self.mean, self.std))
        if not {len(mean), len(std)} <= {1, channels}:
            raise ValueError(
                f"mean and std must hold one number for each of the {channels} channels of the images, or one for all, "
                f"got {len(mean)} and {len(std)}"
            )
        mean, std = (value.to(images.device, non_blocking=True)[:, None, None] for value in (mean, std))
        return as_given((pixels - mean) / std, images)


def _numbers(value: float | Sequence[float]) -> list[float]:
    return list(value) if isinstance(value, Sequence) else [value]
