"""Changes of brightness, contrast and colour."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib._checks import check_weight
from paperlib.data.augmentations._settings import check_probability
from paperlib.data.augmentations.base import Augmentation, as_given, wide
from paperlib.data.augmentations.draws import Draws


@dataclass(frozen=True)
class ColorJitter(Augmentation):
    r"""Brightness, contrast and saturation in a random order for each image, then hue.

    The first three mix the image with something plainer, :math:`f x + (1 - f)\,p`, and clip the result to 0 and 1:
    with black for brightness, with the mean of its grey image for contrast, with its grey image for saturation. Each
    image draws a factor for each, uniform in ``[max(0, 1 - s), 1 + s]`` for the setting ``s``. The hue is turned by a
    share of the circle of colours, uniform in ``[-hue, hue]``, keeping the largest and the smallest of the three
    channels. Grey is 0.299 red + 0.587 green + 0.114 blue. A grey image has no saturation and no hue: with one channel
    these two do nothing.

    Source: Chen, Kornblith, Norouzi and Hinton 2020 (SimCLR, arXiv 2002.05709), where the hue has a random place in the
    order too; here it comes last, since it costs as much as the other three and would be computed once for each place.

    Cost: seven numbers drawn a sample, and about forty passes over the pixels of colour images.

    Args:
        brightness: largest relative change, at least zero.
        contrast: likewise.
        saturation: likewise.
        hue: largest turn as a share of the circle, at most one half.

    Raises:
        ValueError: if a setting is out of range; on use, if the images have neither one nor three channels.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            check_weight(getattr(self, name), name)
        if not check_weight(self.hue, "hue") <= 0.5:
            raise ValueError(f"hue must be at most 0.5, half of the circle to either side, got {self.hue!r}")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The images in other colours, shape as given."""
        pixels = wide(images)
        spreads = (self.brightness, self.contrast, self.saturation)
        factors = torch.stack([draws.uniform(max(0.0, 1 - spread), 1 + spread) for spread in spreads], dim=1)
        turn = draws.uniform(-self.hue, self.hue).to(pixels.dtype)
        order = draws.order(3)
        factors = factors.to(pixels.dtype).gather(1, order)
        for place in range(3):
            grey = to_grey(pixels)
            kind = order[:, place, None, None, None]
            plain = (kind == 1) * grey.mean((2, 3), keepdim=True) + (kind == 2) * grey
            pixels = torch.lerp(plain, pixels, factors[:, place, None, None, None]).clamp(0, 1)
        if self.hue > 0 and images.shape[1] == 3:  # a turn by zero would leave rounding errors
            pixels = turn_hue(pixels, turn)
        return as_given(pixels, images)


@dataclass(frozen=True)
class RandomGrayscale(Augmentation):
    """Takes the colour out of an image, by a coin for each; the channels stay three, all alike.

    Images of one channel are grey and stay as they are.

    Cost: one number drawn a sample, and three passes over the pixels.

    Args:
        probability: of each image to turn grey.

    Raises:
        ValueError: if ``probability`` is outside ``[0, 1]``; on use, if the images have neither one nor three channels.
    """

    probability: float = 0.2

    def __post_init__(self) -> None:
        check_probability(self.probability, "probability")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The images, some of them grey; shape as given."""
        grey = to_grey(wide(images)).to(images.dtype)
        return torch.where(draws.coin(self.probability)[:, None, None, None], grey, images)


def to_grey(pixels: Tensor) -> Tensor:
    """0.299 red + 0.587 green + 0.114 blue, shape ``[b, 1, h, w]``; images of one channel as they are.

    Source: ITU-R recommendation BT.601 (luma).

    Raises:
        ValueError: if there are neither one nor three channels.
    """
    channels = pixels.shape[1]
    if channels == 1:
        return pixels
    if channels != 3:
        raise ValueError(f"images must have one channel (grey) or three (red, green, blue), got {channels}")
    red, green, blue = pixels.split(1, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def turn_hue(pixels: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of each colour image by a share of the circle of colours, red to green to blue.

    Value and chroma (the largest channel, and how far the smallest is below it) stay as they are; a grey pixel stays
    grey.

    Args:
        pixels: shape ``[b, 3, h, w]``.
        turn: shares of the circle, shape ``[b]``; a third turns red into green.
    """
    red, green, blue = pixels.split(1, dim=1)
    value, low = pixels.amax(1, keepdim=True), pixels.amin(1, keepdim=True)
    chroma = value - low
    # the hue in sixths of the circle from red: the largest channel's own place, and a way towards a neighbour's
    is_red = value == red
    is_green = (value == green) & ~is_red
    is_blue = ~(is_red | is_green)
    towards = is_red * (green - blue) + is_green * (blue - red) + is_blue * (red - green)
    own = 2 * is_green + 4 * is_blue  # sums of masks: on a CPU several times faster than torch.where
    hue = towards / (chroma + (chroma == 0)) + own + 6 * turn[:, None, None, None]
    # a channel is full within a sixth of its own colour, and off from two sixths on
    apart = torch.cat([hue - place for place in (0, 2, 4)], dim=1)
    distance = (apart - 6 * (apart / 6).round()).abs()
    return (2 - distance).clamp_(0, 1).mul_(chroma).add_(low)
