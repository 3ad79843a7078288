"""Boxes of whole pixels cut out of images and resized, one box a sample, as two products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from paperlib.data.augmentations.base import as_given, wide

Stretch = tuple[Tensor, Tensor]  # where it begins and how long it is


def resize_boxes(images: Tensor, rows: Stretch, columns: Stretch, size: int) -> Tensor:
    """The box of each image, resized to a square of ``size`` by linear interpolation with antialiasing.

    The same as cutting the box out and resizing it alone, ``interpolate(mode="bilinear", antialias=True)``; a box of
    the wanted size comes out exactly as it is. The resizing is linear and acts on each axis apart, so each is a product
    with a matrix of weights, which (unlike ``grid_sample``) can average where a box is made smaller.

    Cost: ``c h s (w + s)`` products a sample for images ``[c, h, w]`` and a result ``[c, s, s]``.

    Args:
        images: shape ``[b, c, h, w]``.
        rows: first row and number of rows of each box, whole numbers, shape ``[b]`` each.
        columns: first column and number of columns of each box, likewise.
        size: side of the result.
    """
    pixels = wide(images)
    by_row = _weights(rows, images.shape[2], size, pixels)
    by_column = _weights(columns, images.shape[3], size, pixels)
    narrow = torch.einsum("bchw,bvw->bchv", pixels, by_column)
    return as_given(torch.einsum("bchv,buh->bcuv", narrow, by_row), images)


def _weights(stretch: Stretch, side: int, size: int, like: Tensor) -> Tensor:
    """The weight of each of ``side`` pixels in each of ``size`` pixels of the result, shape ``[b, size, side]``."""
    start, length = (part[:, None, None] for part in stretch)
    source = torch.arange(side, device=like.device)
    inside = (source >= start) & (source < start + length)
    step = length.to(like.dtype) / size
    centre = (torch.arange(size, dtype=like.dtype, device=like.device)[:, None] + 0.5) * step - 0.5
    distance = (source - start - centre).abs() / step.clamp(min=1)
    weight = torch.where(inside, (1 - distance).clamp(min=0), 0)
    return weight / weight.sum(-1, keepdim=True)
