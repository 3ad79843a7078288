"""Crops against loops over images, and resizing against cutting out and torch's own interpolation."""

import math

import pytest
import torch
from torch.nn.functional import interpolate

from paperlib.data.augmentations import CenterCrop, CropOfSizes, RandomCrop, RandomResizedCrop


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def resized(box, size):
    """A bilinear resize of one image ``[c, h, w]`` by torch, antialiased."""
    return interpolate(box[None], (size, size), mode="bilinear", antialias=True, align_corners=False)[0]


@pytest.mark.parametrize(("size", "padding", "shape"), [(4, 0, (9, 7)), (8, 2, (7, 5)), (5, 4, (5, 5))], ids=str)
def test_random_crop_equals_a_loop_over_pixels(pictures, recorded, size, padding, shape):
    images, draws = pictures(12, 2, *shape), recorded(12)
    cropped = RandomCrop(size, padding, fill=0.5).apply(images, draws)
    assert cropped.shape == (12, 2, size, size)
    for i, (top, left) in enumerate(zip(*draws.wholes, strict=True)):
        for y in range(size):
            for x in range(size):
                row, column = int(top) + y - padding, int(left) + x - padding
                inside = 0 <= row < shape[0] and 0 <= column < shape[1]
                expected = images[i, :, row, column] if inside else torch.full((2,), 0.5).double()
                assert torch.equal(cropped[i, :, y, x], expected)


def test_random_crop_reaches_every_place_equally_often():
    n = 9000
    images = torch.arange(16.0).reshape(1, 1, 4, 4).expand(n, 1, 4, 4)
    corners = RandomCrop(2)(images, generator=seeded())[:, 0, 0, 0].long()
    counts = torch.bincount(corners, minlength=16).reshape(4, 4)[:3, :3]
    assert counts.sum() == n
    assert ((counts - n / 9).abs() < 4 * (n / 9 * 8 / 9) ** 0.5).all()


def test_crops_of_the_whole_give_the_images_exactly(pictures):
    images = pictures(3, 2, 7, 7)
    for crop in (RandomCrop(7), CenterCrop(7), CropOfSizes((7,), 7), RandomResizedCrop(7, (1.0, 1.0), (1.0, 1.0))):
        assert torch.equal(crop(images), images)


def test_the_center_crop_leaves_the_same_margin_or_one_pixel_more_at_the_end():
    images = torch.arange(35.0).reshape(1, 1, 5, 7)
    assert CenterCrop(3)(images)[0, 0].tolist() == [[9, 10, 11], [16, 17, 18], [23, 24, 25]]
    assert CenterCrop(4)(images)[0, 0].tolist() == images[0, 0, 0:4, 1:5].tolist()


@pytest.mark.parametrize("shape", [(24, 24), (25, 31)], ids=str)
def test_crop_of_sizes_equals_cutting_out_and_resizing(pictures, recorded, shape):
    images, draws, sides = pictures(30, 2, *shape), recorded(30), (9, 16, 24)
    cropped = CropOfSizes(sides, 16).apply(images, draws)
    chosen = [sides[i] for i in draws.wholes[0]]
    assert set(chosen) == set(sides)
    for i, side in enumerate(chosen):
        top, left = (int(draws.uniforms[axis][i] * (shape[axis] - side + 1)) for axis in (0, 1))
        box = images[i, :, top : top + side, left : left + side]
        assert box.shape == (2, side, side)
        torch.testing.assert_close(cropped[i], resized(box, 16), rtol=0, atol=1e-12)


def test_crop_of_sizes_chooses_every_side_equally_often(recorded, pictures):
    draws = recorded(3000)
    CropOfSizes((1, 2, 3), 1).apply(pictures(3000, 1, 3, 3), draws)
    counts = torch.bincount(draws.wholes[0])
    assert ((counts - 1000).abs() < 4 * (1000 * 2 / 3) ** 0.5).all()


def box_by_loop(share, where, height, width, ratio):
    """Height and width of a box of the given area, its shape ``where`` of the way along those that fit."""
    area = share * height * width
    low, high = (min(max(math.log(end), math.log(area / height**2)), math.log(width**2 / area)) for end in ratio)
    r = math.exp(low + where * (high - low))
    return [min(max(round(math.sqrt(side)), 1), most) for side, most in ((area / r, height), (area * r, width))]


@pytest.mark.parametrize(
    ("shape", "size", "scale", "ratio"),
    [
        ((16, 16), 16, (0.2, 1.0), (3 / 4, 4 / 3)),
        ((20, 31), 8, (0.05, 1.0), (0.3, 1.2)),
        ((9, 30), 12, (0.9, 1.0), (0.5, 1.0)),
    ],
    ids=str,
)
def test_random_resized_crop_equals_cutting_out_and_resizing(pictures, recorded, shape, size, scale, ratio):
    images, draws = pictures(40, 2, *shape), recorded(40)
    cropped = RandomResizedCrop(size, scale, ratio).apply(images, draws)
    assert cropped.shape == (40, 2, size, size)
    shares, wheres, tops, lefts = (drawn.tolist() for drawn in draws.uniforms)
    for i in range(40):
        tall, wide = box_by_loop(shares[i], wheres[i], *shape, ratio)
        top, left = int(tops[i] * (shape[0] - tall + 1)), int(lefts[i] * (shape[1] - wide + 1))
        box = images[i, :, top : top + tall, left : left + wide]
        torch.testing.assert_close(cropped[i], resized(box, size), rtol=0, atol=1e-12)


def test_the_area_of_a_resized_crop_is_as_drawn_even_where_few_shapes_fit(recorded):
    n, side = 60, 80
    ramp = torch.arange(side, dtype=torch.float64)
    ramps = torch.stack(torch.meshgrid(ramp, ramp, indexing="ij")).expand(n, 2, side, side)
    draws = recorded(n)
    cropped = RandomResizedCrop(100, (0.5, 1.0), (0.5, 2.0)).apply(ramps, draws)
    extent = cropped.amax((2, 3)) - cropped.amin((2, 3)) + 1  # of the crop, since the ends are not interpolated
    torch.testing.assert_close(extent.prod(1) / side**2, draws.uniforms[0].double(), rtol=0, atol=1.01 / side)
    shape = extent[:, 1] / extent[:, 0]
    assert shape.min() < 0.7
    assert shape.max() > 1.4


def test_an_area_of_less_than_a_pixel_is_one_pixel(pictures):
    images = pictures(10, 1, 5, 8)
    for ratio in (0.5, 1.0, 2.0):
        cropped = RandomResizedCrop(3, (1e-9, 1e-9), (ratio, ratio))(images, generator=seeded())
        assert torch.equal(cropped, cropped[:, :, :1, :1].expand_as(cropped))
        assert (cropped[:, 0, 0, 0, None, None] == images[:, 0]).flatten(1).any(1).all()


def test_a_plane_stays_a_plane(pictures):
    plane = torch.full((20, 1, 13, 17), 0.3, dtype=torch.float64)
    for crop in (CropOfSizes((3, 5, 13), 7), RandomResizedCrop(30, (0.01, 1.0))):
        torch.testing.assert_close(crop(plane, generator=seeded()), torch.full_like(crop(plane), 0.3))


def test_refusals():
    images = torch.zeros(1, 1, 6, 9)
    for crop in (CenterCrop(7), RandomCrop(7), CropOfSizes((3, 7), 5)):
        with pytest.raises(ValueError, match=r"images of 6 x 9 pixels .* too small for a crop of 7 x 7; crop less"):
            crop(images)
    with pytest.raises(ValueError, match="size must be a whole number of at least 1, got 0"):
        RandomCrop(0)
    with pytest.raises(ValueError, match="padding must be a whole number of at least 0, got -1"):
        RandomCrop(3, padding=-1)
    with pytest.raises(ValueError, match=r"sides must be a sequence of whole numbers, .* got \(\)"):
        CropOfSizes(())
    with pytest.raises(ValueError, match=r"scale must lie within \(0, 1\], .* got \(0\.5, 1\.5\)"):
        RandomResizedCrop(8, scale=(0.5, 1.5))
    with pytest.raises(ValueError, match=r"ratio must be above zero, got \(0, 1\)"):
        RandomResizedCrop(8, ratio=(0, 1))
