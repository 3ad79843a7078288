"""Gaussian blur against scipy, image by image."""

import math

import pytest
import torch
from scipy.ndimage import convolve1d

from paperlib.data.augmentations import GaussianBlur


@pytest.mark.parametrize(("kernel_size", "shape"), [(3, (2, 2)), (5, (9, 6)), (7, (4, 11))], ids=str)
def test_equals_scipy_image_by_image(pictures, recorded, kernel_size, shape):
    images, draws = pictures(6, 2, *shape), recorded(6)
    blurred = GaussianBlur(kernel_size, (0.3, 2.0)).apply(images, draws)
    reach = kernel_size // 2
    for i, sigma in enumerate(draws.uniforms[0].tolist()):
        weights = [math.exp(-(offset**2) / (2 * sigma**2)) for offset in range(-reach, reach + 1)]
        weights = [weight / sum(weights) for weight in weights]
        expected = convolve1d(images[i].numpy(), weights, axis=1, mode="mirror")
        expected = torch.from_numpy(convolve1d(expected, weights, axis=2, mode="mirror"))
        torch.testing.assert_close(blurred[i], expected, rtol=0, atol=1e-12)


def test_a_wide_window_with_a_large_sigma_is_the_mean_of_the_window(pictures):
    images = pictures(1, 1, 5, 5)
    blurred = GaussianBlur(5, (1e6, 1e6))(images)
    torch.testing.assert_close(blurred[0, 0, 2, 2], images.mean(), rtol=0, atol=1e-9)


def test_a_tiny_sigma_or_a_window_of_one_pixel_changes_nothing(pictures):
    images = pictures(3, 2, 5, 6)
    assert torch.equal(GaussianBlur(5, (1e-3, 1e-3))(images), images)
    assert torch.equal(GaussianBlur(1)(images), images)


def test_a_plane_stays_a_plane():
    plane = torch.full((3, 3, 8, 8), 0.7, dtype=torch.float64)
    torch.testing.assert_close(GaussianBlur(7)(plane), plane, rtol=0, atol=1e-14)


def test_refusals():
    with pytest.raises(ValueError, match="kernel_size must be odd, so that the window has a middle, got 4"):
        GaussianBlur(4)
    with pytest.raises(ValueError, match=r"sigma must be above zero, got \(0, 1\)"):
        GaussianBlur(3, (0, 1))
    with pytest.raises(ValueError, match=r"kernel_size=9 needs images of more than 4 pixels a side .* got 4 x 8"):
        GaussianBlur(9)(torch.zeros(1, 1, 4, 8))
