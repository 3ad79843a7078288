"""Gaussian blur of another width for each image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from paperlib._checks import check_whole
from paperlib.data.augmentations._settings import Range, check_range
from paperlib.data.augmentations.base import Augmentation, as_given, wide
from paperlib.data.augmentations.draws import Draws


@dataclass(frozen=True)
class GaussianBlur(Augmentation):
    r"""Averages the neighbours with weights proportional to :math:`e^{-j^2 / 2\sigma^2}` along each axis.

    The offsets :math:`j` are whole pixels of a window of ``kernel_size``, the weights sum to one, and :math:`\sigma` is
    uniform in its range. Beyond the edge the image is mirrored, the edge pixels not repeated.

    Source: as an augmentation, Chen, Kornblith, Norouzi and Hinton 2020 (SimCLR, arXiv 2002.05709): a window of a tenth
    of the side, applied with probability one half, and none for images of 32 pixels.

    Cost: one number drawn a sample, and ``2 kernel_size`` products a pixel: two grouped convolutions, one along each
    axis, with a group for each channel of each image.

    Args:
        kernel_size: pixels of the window along each axis, odd.
        sigma: range of the standard deviation in pixels, above zero.

    Raises:
        ValueError: if a setting is out of range; on use, if half the window does not fit into the images.
    """

    kernel_size: int
    sigma: Range = (0.1, 2.0)

    def __post_init__(self) -> None:
        if check_whole(self.kernel_size, "kernel_size") % 2 == 0:
            raise ValueError(f"kernel_size must be odd, so that the window has a middle, got {self.kernel_size}")
        if check_range(self.sigma, "sigma", 0)[0] == 0:
            raise ValueError(f"sigma must be above zero, got {self.sigma!r}")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The blurred images, shape as given."""
        b, c, height, width = images.shape
        reach = self.kernel_size // 2
        if min(height, width) <= reach:
            raise ValueError(
                f"kernel_size={self.kernel_size} needs images of more than {reach} pixels a side to mirror, got "
                f"{height} x {width}; blur with a smaller window"
            )
        pixels = wide(images)
        sigma = draws.uniform(*self.sigma).to(pixels.dtype)
        offset = torch.arange(-reach, reach + 1, dtype=pixels.dtype, device=pixels.device)
        weights = torch.softmax(-((offset / sigma[:, None]) ** 2) / 2, dim=1).repeat_interleave(c, dim=0)
        stacked = pad(pixels.reshape(1, b * c, height, width), 4 * (reach,), mode="reflect")
        stacked = conv2d(stacked, weights[:, None, None, :], groups=b * c)
        stacked = conv2d(stacked, weights[:, None, :, None], groups=b * c)
        return as_given(stacked.reshape(images.shape), images)
