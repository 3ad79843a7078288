"""Rotation, scale, shear and shift in one interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from paperlib._checks import check_weight
from paperlib.data.augmentations._settings import Range, around_zero, check_range
from paperlib.data.augmentations.base import Augmentation, as_given, wide
from paperlib.data.augmentations.draws import Draws


@dataclass(frozen=True)
class RandomAffine(Augmentation):
    r"""Moves what is at :math:`p` to :math:`R(\theta)\,H(\phi)\,S(s)\,p + t`, with numbers drawn for each image.

    Coordinates are pixels from the centre of the image, ``x`` to the right and ``y`` down, so that a rotation is one
    for images of any shape. :math:`S = \mathrm{diag}(s_x, s_y)` scales first (above one enlarges), :math:`H` shears
    (:math:`x` becomes :math:`x - \tan(\phi)\,y`: what is above the centre leans to the right for :math:`\phi > 0`),
    :math:`R` rotates (counter-clockwise as one looks at it for :math:`\theta > 0`), :math:`t` shifts. Every number is
    uniform in its range. The image is read once, with bilinear interpolation; ``fill`` is what lies outside of it.

    Cost: five numbers drawn a sample (six with ``isotropic=False``), and one pass over the pixels of the result.
    The grid of the points to read is a sum of a row and a column, far cheaper than ``affine_grid``'s products of small
    matrices.

    Args:
        degrees: range of :math:`\theta`; one number ``d`` stands for ``(-d, d)``.
        translate: largest shift in either direction as shares of the side: of both, or ``(of width, of height)``.
        scale: range of :math:`s_x` and :math:`s_y`, above zero.
        shear: range of :math:`\phi` in degrees, strictly within ``(-90, 90)``; one number ``d`` stands for ``(-d, d)``.
        isotropic: one factor for both axes; else :math:`s_x` and :math:`s_y` are drawn apart.
        fill: the value outside of the image.

    Raises:
        ValueError: if a setting is out of range.
    """

    degrees: float | Range = 0.0
    translate: float | Range = 0.0
    scale: Range = (1.0, 1.0)
    shear: float | Range = 0.0
    isotropic: bool = True
    fill: float = 0.0

    def __post_init__(self) -> None:
        around_zero(self.degrees, "degrees")
        self._shares()
        if check_range(self.scale, "scale", 0)[0] == 0:
            raise ValueError(f"scale must be above zero, got {self.scale!r}")
        if not max(map(abs, around_zero(self.shear, "shear"))) < 90:
            raise ValueError(f"shear must be strictly within (-90, 90) degrees, got {self.shear!r}")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The moved images, shape as given."""
        pixels = wide(images)
        angle = draws.uniform(*around_zero(self.degrees, "degrees")).to(pixels.dtype).deg2rad()
        slope = draws.uniform(*around_zero(self.shear, "shear")).to(pixels.dtype).deg2rad().tan()
        factor = draws.uniform(*self.scale, 1 if self.isotropic else 2).to(pixels.dtype)
        shift = draws.uniform(-1.0, 1.0, 2).to(pixels.dtype)
        if self._changes_nothing():  # interpolation would leave rounding errors
            return images

        height, width = images.shape[-2:]
        share_x, share_y = self._shares()
        x = _centred(width, pixels) - shift[:, :1] * (share_x * width)
        y = _centred(height, pixels) - shift[:, 1:] * (share_y * height)
        # The result at q shows the image at S^-1 H^-1 R^-1 (q - t); grid_sample wants it in halves of the side.
        cos, sin, factor_x, factor_y = angle.cos(), angle.sin(), factor[:, 0] * width / 2, factor[:, -1] * height / 2
        from_x = torch.stack([(cos + slope * sin) / factor_x, sin / factor_y], dim=1)
        from_y = torch.stack([(slope * cos - sin) / factor_x, cos / factor_y], dim=1)
        grid = (from_x[:, :, None] * x[:, None])[:, :, None, :] + (from_y[:, :, None] * y[:, None])[:, :, :, None]
        moved = grid_sample(pixels - self.fill, grid.permute(0, 2, 3, 1), align_corners=False) + self.fill
        return as_given(moved, images)

    def _shares(self) -> Range:
        """The largest shift as shares of the width and the height."""
        pair = self.translate if isinstance(self.translate, Sequence) else (self.translate, self.translate)
        if len(pair) != 2:
            raise ValueError(f"translate must be one share of the side, or (of width, of height), got {pair!r}")
        return check_weight(pair[0], "translate"), check_weight(pair[1], "translate")

    def _changes_nothing(self) -> bool:
        still = all(around_zero(value, "degrees or shear") == (0, 0) for value in (self.degrees, self.shear))
        return still and self._shares() == (0, 0) and tuple(self.scale) == (1, 1)


def _centred(side: int, like: Tensor) -> Tensor:
    """The positions of the pixels of a side, from its centre."""
    return torch.arange(side, dtype=like.dtype, device=like.device) - (side - 1) / 2
