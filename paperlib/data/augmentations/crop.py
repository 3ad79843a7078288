"""Crops: exact to the pixel, or resized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from paperlib._checks import check_whole
from paperlib.data.augmentations._resample import resize_boxes
from paperlib.data.augmentations._settings import Range, check_range
from paperlib.data.augmentations.base import Augmentation, as_given
from paperlib.data.augmentations.draws import Draws


@dataclass(frozen=True)
class CenterCrop(Augmentation):
    """The square in the middle; draws nothing. Of an odd rest, the larger half is cut at the bottom and the right.

    Args:
        size: side of the square, at most that of the images.

    Raises:
        ValueError: if ``size`` is no whole number of at least one; on use, if the images are smaller.
    """

    size: int

    def __post_init__(self) -> None:
        check_whole(self.size, "size")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The middle of the images, shape ``[b, c, size, size]``."""
        top, left = ((side - self.size) // 2 for side in _check_fits(images, self.size))
        return as_given(images[:, :, top : top + self.size, left : left + self.size], images)


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """A square at a random place of the padded image, exact to the pixel.

    Cost: two numbers drawn a sample; the pixels of the padded images and of the result are copied once.

    Args:
        size: side of the square.
        padding: pixels added on each of the four sides before.
        fill: their value.

    Raises:
        ValueError: if ``size`` or ``padding`` is out of range; on use, if the padded images are smaller than ``size``.
    """

    size: int
    padding: int = 0
    fill: float = 0.0

    def __post_init__(self) -> None:
        check_whole(self.size, "size")
        check_whole(self.padding, "padding", 0)

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """One square of each image, shape ``[b, c, size, size]``."""
        padded = pad(images, 4 * (self.padding,), value=self.fill) if self.padding else images
        height, width = _check_fits(padded, self.size)
        top = draws.whole(0, height - self.size + 1)
        left = draws.whole(0, width - self.size + 1)
        windows = padded.unfold(2, self.size, 1).unfold(3, self.size, 1)  # a view of all squares, by top and left
        return as_given(windows[torch.arange(len(images), device=images.device), :, top, left], images)


@dataclass(frozen=True)
class CropOfSizes(Augmentation):
    """A square of a side chosen from a list, at a random place, resized to one size.

    Each image draws its side, all with equal chance, then its place; bilinear interpolation within the square, with
    antialiasing where it is made smaller.

    Source: Ji, Henriques and Vedaldi 2019 (IIC, arXiv 1807.06653), for MNIST: sides 16, 20 and 24, resized to 24.

    Cost: three numbers drawn a sample, and two small products of matrices an image.

    Args:
        sides: the sides, none larger than that of the images.
        size: side of the result.

    Raises:
        ValueError: if a setting is out of range; on use, if the images are smaller than a side.
    """

    sides: Sequence[int] = (16, 20, 24)
    size: int = 24

    def __post_init__(self) -> None:
        if not isinstance(self.sides, Sequence) or len(self.sides) == 0:
            raise ValueError(f"sides must be a sequence of whole numbers, such as (16, 20, 24), got {self.sides!r}")
        for side in self.sides:
            check_whole(side, "sides")
        check_whole(self.size, "size")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """One square of each image, shape ``[b, c, size, size]``."""
        height, width = _check_fits(images, max(self.sides))
        side = torch.tensor(self.sides).to(images.device, non_blocking=True)[draws.whole(0, len(self.sides))]
        return resize_boxes(images, (_place(height, side, draws), side), (_place(width, side, draws), side), self.size)


@dataclass(frozen=True)
class RandomResizedCrop(Augmentation):
    r"""A box of random area, shape and place, resized to a square.

    The area is uniform in its range, then the logarithm of ``width / height`` uniform in the part of its range in
    which such a box fits into the image (or the nearest that fits), then the place uniform. The sides are rounded to
    whole pixels. Nothing is drawn again: the common recipe draws area and shape together until they fit, which makes
    large areas rarer than asked for.

    The resizing is bilinear with antialiasing, which counts where a box is larger than ``size``: without it, as with
    ``grid_sample``, fine patterns would turn into false coarse ones. For ``size`` at least the side of the images it
    changes nothing.

    Source: Chen, Kornblith, Norouzi and Hinton 2020 (SimCLR, arXiv 2002.05709), whose range of the area is from 0.08;
    for small images 0.2 is common, which is the default.

    Cost: four numbers drawn a sample, and two small products of matrices an image.

    Args:
        size: side of the result.
        scale: range of the area as a share of the image's, within ``(0, 1]``.
        ratio: range of width over height, above zero.

    Raises:
        ValueError: if a setting is out of range.
    """

    size: int
    scale: Range = (0.2, 1.0)
    ratio: Range = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        check_whole(self.size, "size")
        low, high = check_range(self.scale, "scale", 0)
        if low == 0 or high > 1:
            raise ValueError(f"scale must lie within (0, 1], shares of the area of the image, got {self.scale!r}")
        if check_range(self.ratio, "ratio", 0)[0] == 0:
            raise ValueError(f"ratio must be above zero, got {self.ratio!r}")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """One box of each image, shape ``[b, c, size, size]``."""
        height, width = images.shape[-2:]
        share, where = draws.uniform(*self.scale), draws.uniform()
        # with r = width / height: sqrt(share h w / r) must be at most h, and sqrt(share h w r) at most w
        shape = math.log(width / height)
        least, most = shape + share.log(), shape - share.log()
        ends = (torch.full_like(share, math.log(end)) for end in self.ratio)
        low, high = (end.maximum(least).minimum(most) for end in ends)
        stretch = ((low + (high - low) * where) / 2).exp()
        side = (share * height * width).sqrt()
        tall = (side / stretch).round().long().clamp(1, height)
        wide = (side * stretch).round().long().clamp(1, width)
        return resize_boxes(images, (_place(height, tall, draws), tall), (_place(width, wide, draws), wide), self.size)


def _check_fits(images: Tensor, size: int) -> tuple[int, int]:
    """Height and width of the images, which must not be smaller than ``size``."""
    height, width = images.shape[-2:]
    if min(height, width) < size:
        raise ValueError(
            f"images of {height} x {width} pixels (with any padding) are too small for a crop of {size} x {size}; "
            "crop less, or pad more"
        )
    return height, width


def _place(side: int, length: Tensor, draws: Draws) -> Tensor:
    """Where a stretch of ``length`` pixels begins on a side, uniform over the places that it has, shape ``[b]``."""
    return (draws.uniform() * (side - length + 1)).long()
