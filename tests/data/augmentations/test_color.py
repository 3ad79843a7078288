"""Colour changes against loops over pixels and Python's own `colorsys`."""

import colorsys

import pytest
import torch

from paperlib.data.augmentations import ColorJitter, RandomGrayscale


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def grey_of(pixel):
    return pixel[0] if len(pixel) == 1 else 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]


def clipped(number):
    return min(max(number, 0.0), 1.0)


def jittered_by_loop(image, factors, order, turn):
    """One image as a list of pixels, each a list of channels."""
    for kind in order:
        mean = sum(map(grey_of, image)) / len(image)
        plain = {0: lambda pixel: 0.0, 1: lambda pixel, mean=mean: mean, 2: grey_of}[kind]
        f = factors[kind]
        image = [[clipped(f * channel + (1 - f) * plain(pixel)) for channel in pixel] for pixel in image]
    if len(image[0]) == 3:
        hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in image]
        image = [list(colorsys.hsv_to_rgb((hue + turn) % 1, *rest)) for hue, *rest in hsv]
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("settings", [(0.6, 0.5, 0.7, 0.5), (0, 0, 0, 0.3), (2.0, 0, 1.5, 0)], ids=str)
def test_equals_a_loop_over_images_and_pixels(pictures, recorded, channels, settings):
    n = 24
    images, draws = pictures(n, channels, 3, 4), recorded(n)
    changed = ColorJitter(*settings).apply(images, draws)
    *factors, turns, _ = (drawn.tolist() for drawn in draws.uniforms)
    for i in range(n):
        pixels = images[i].flatten(1).T.tolist()
        expected = jittered_by_loop(pixels, [kind[i] for kind in factors], draws.orders[0][i].tolist(), turns[i])
        torch.testing.assert_close(changed[i].flatten(1).T, torch.tensor(expected).to(changed), rtol=0, atol=1e-6)


def test_every_order_of_the_three_occurs_and_matters(pictures, recorded):
    draws = recorded(200)
    ColorJitter(0.4).apply(pictures(200, 3, 2, 2), draws)
    assert len({tuple(order) for order in draws.orders[0].tolist()}) == 6


def test_factors_are_never_negative(recorded, pictures):
    draws = recorded(300)
    ColorJitter(3.0, 0.4, 0.0, 0.2).apply(pictures(300, 3, 2, 2), draws)
    for drawn, (low, high) in zip(draws.uniforms, [(0, 4), (0.6, 1.4), (1, 1), (-0.2, 0.2)], strict=False):
        assert low <= drawn.min() <= low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) <= drawn.max() <= high


def test_a_third_of_the_circle_turns_red_into_green_into_blue():
    red = torch.tensor([1.0, 0, 0], dtype=torch.float64).reshape(1, 3, 1, 1).expand(2000, 3, 1, 1)
    turned = ColorJitter(hue=0.5)(red, generator=seeded())[:, :, 0, 0]
    assert torch.equal(turned.amax(1), torch.ones(2000).double())
    assert torch.equal(turned.amin(1), torch.zeros(2000).double())
    pure = torch.eye(3, dtype=torch.float64)
    assert (torch.cdist(pure, turned).amin(1) < 0.02).all()


def test_hue_leaves_grey_pixels_and_the_extremes_of_the_channels(pictures):
    images = pictures(5, 3, 4, 4)
    turned = ColorJitter(hue=0.5)(images, generator=seeded())
    for extreme in (torch.amax, torch.amin):
        torch.testing.assert_close(extreme(turned, 1), extreme(images, 1))
    grey = images[:, :1].expand(-1, 3, -1, -1)
    assert torch.equal(ColorJitter(hue=0.5)(grey, generator=seeded()), grey)


def test_saturation_and_hue_leave_images_of_one_channel_exactly(pictures):
    images = pictures(6, 1, 4, 4)
    assert torch.equal(ColorJitter(saturation=0.9, hue=0.5)(images), images)
    assert torch.equal(RandomGrayscale(1.0)(images), images)


def test_settings_that_change_nothing_give_the_images_exactly(pictures):
    images = pictures(6, 3, 4, 4)
    assert torch.equal(ColorJitter()(images), images)
    assert torch.equal(RandomGrayscale(0.0)(images), images)


def test_values_stay_between_zero_and_one(pictures):
    changed = ColorJitter(2.0, 2.0, 2.0, 0.5)(pictures(50, 3, 4, 4), generator=seeded())
    assert changed.min() == 0
    assert changed.max() == 1


def test_grey_equals_a_loop_over_images(pictures, recorded):
    images, draws = pictures(30, 3, 2, 3), recorded(30)
    changed = RandomGrayscale(0.4).apply(images, draws)
    for image, result, number in zip(images, changed, draws.uniforms[0], strict=True):
        expected = grey_of(image).expand(3, 2, 3) if number < 0.4 else image
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-15)


def test_refusals():
    with pytest.raises(ValueError, match="contrast must be a finite number >= 0, got -1"):
        ColorJitter(contrast=-1)
    with pytest.raises(ValueError, match=r"hue must be at most 0\.5, half of the circle to either side, got 0\.6"):
        ColorJitter(hue=0.6)
    for change in (ColorJitter(0.4), RandomGrayscale()):
        with pytest.raises(ValueError, match=r"one channel \(grey\) or three \(red, green, blue\), got 4"):
            change(torch.zeros(1, 4, 2, 2))
