"""The affine map against scipy's, built from the formula of the docstring and inverted numerically."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from paperlib.data.augmentations import RandomAffine

SETTINGS = {
    "turn": {"degrees": 40},
    "shift": {"translate": (0.2, 0.4)},
    "scale": {"scale": (0.6, 1.7)},
    "stretch": {"scale": (0.6, 1.7), "isotropic": False},
    "shear": {"shear": (5.0, 30.0)},
    "all": {"degrees": (-90, 20), "translate": 0.3, "scale": (0.7, 1.3), "shear": 20, "isotropic": False, "fill": 0.7},
}


def moved_by_scipy(images, draws, *, translate, fill):
    """``R H S p + t`` in (x, y) from the centre, one image after the other."""
    angles, slants, scales, shifts = (drawn.double() for drawn in draws.uniforms)
    _, _, height, width = images.shape
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    moved = torch.empty_like(images)
    for i in range(len(images)):
        a, phi = math.radians(angles[i]), math.radians(slants[i])
        rotation = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])  # y points down
        shear = np.array([[1, -math.tan(phi)], [0, 1]])
        backwards = np.linalg.inv(rotation @ shear @ np.diag([scales[i, 0], scales[i, -1]]))[::-1, ::-1]  # (y, x)
        shift = np.array([shifts[i, 1] * translate[1] * height, shifts[i, 0] * translate[0] * width])
        offset = centre - backwards @ (centre + shift)
        for channel in range(images.shape[1]):
            moved[i, channel] = torch.from_numpy(
                affine_transform(
                    images[i, channel].numpy(), backwards, offset, order=1, mode="grid-constant", cval=fill
                )
            )
    return moved


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("shape", [(6, 2, 9, 9), (5, 1, 7, 12)], ids=str)
def test_equals_scipy_image_by_image(pictures, recorded, setting, shape):
    images, draws = pictures(*shape), recorded(shape[0])
    given = setting.get("translate", 0.0)
    translate = given if isinstance(given, tuple) else (given, given)
    moved = RandomAffine(**setting).apply(images, draws)
    expected = moved_by_scipy(images, draws, translate=translate, fill=setting.get("fill", 0.0))
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-12)


def test_every_number_stays_in_its_range_and_differs_between_images(recorded, pictures):
    draws = recorded(500)
    RandomAffine(15, 0.1, (0.85, 1.15), (2, 8), isotropic=False).apply(pictures(500, 1, 2, 2), draws)
    for drawn, (low, high) in zip(draws.uniforms, [(-15, 15), (2, 8), (0.85, 1.15), (-1, 1)], strict=True):
        assert low <= drawn.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < drawn.max() <= high


def test_an_isotropic_scale_keeps_an_image_its_own_transpose(pictures):
    images = pictures(20, 1, 9, 9)
    images = images + images.mT
    for isotropic in (True, False):
        scaled = RandomAffine(scale=(0.5, 2.0), isotropic=isotropic)(images)
        assert torch.allclose(scaled, scaled.mT, rtol=0, atol=1e-12) == isotropic


def test_a_quarter_turn_is_counter_clockwise(pictures):
    images = pictures(2, 3, 6, 6)
    torch.testing.assert_close(RandomAffine((90, 90))(images), images.rot90(1, (2, 3)), rtol=0, atol=1e-12)


def test_half_a_turn_of_a_rectangle_flips_both_sides(pictures):
    images = pictures(2, 1, 5, 8)
    torch.testing.assert_close(RandomAffine((180, 180))(images), images.flip(2, 3), rtol=0, atol=1e-12)


def test_doubling_the_scale_shows_the_middle():
    ramp = (torch.arange(8.0) - 3.5).expand(1, 1, 8, 8).double()
    torch.testing.assert_close(RandomAffine(scale=(2.0, 2.0))(ramp), ramp / 2, rtol=0, atol=1e-12)


def test_a_positive_shear_leans_the_top_to_the_right():
    column = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    column[..., 2] = 1
    expected = torch.zeros_like(column)
    expected[0, 0, range(5), [4, 3, 2, 1, 0]] = 1
    torch.testing.assert_close(RandomAffine(shear=(45.0, 45.0))(column), expected, rtol=0, atol=1e-12)


def test_settings_that_change_nothing_give_the_images_exactly(pictures):
    images = pictures(3, 1, 7, 5).float()
    assert torch.equal(RandomAffine()(images), images)
    almost = RandomAffine(degrees=(0.0, 1e-30))(images)
    torch.testing.assert_close(almost, images, rtol=0, atol=1e-5)


def test_a_plane_of_the_fill_stays_as_it_is():
    plane = torch.full((4, 1, 6, 6), 0.25, dtype=torch.float64)
    moved = RandomAffine(30, 0.4, (0.5, 1.5), 10, fill=0.25)(plane)
    torch.testing.assert_close(moved, plane, rtol=0, atol=1e-15)


def test_refusals():
    with pytest.raises(ValueError, match="degrees must be a finite number >= 0, got -3"):
        RandomAffine(-3)
    with pytest.raises(ValueError, match=r"degrees must be two finite numbers .* got \(4, 2\)"):
        RandomAffine((4, 2))
    with pytest.raises(ValueError, match=r"translate must be one share of the side, or .* got \(1, 2, 3\)"):
        RandomAffine(translate=(1, 2, 3))
    with pytest.raises(ValueError, match=r"translate must be a finite number >= 0, got -0\.1"):
        RandomAffine(translate=-0.1)
    with pytest.raises(ValueError, match=r"scale must be above zero, got \(0, 1\)"):
        RandomAffine(scale=(0, 1))
    with pytest.raises(ValueError, match=r"scale must be two finite numbers .* got 2"):
        RandomAffine(scale=2)
    with pytest.raises(ValueError, match=r"shear must be strictly within \(-90, 90\) degrees, got 90"):
        RandomAffine(shear=90)
