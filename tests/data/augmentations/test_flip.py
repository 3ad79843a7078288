"""The mirror image, by a coin for each image."""

import pytest
import torch

from paperlib.data.augmentations import RandomHorizontalFlip


def test_equals_a_loop_over_the_images(pictures, recorded):
    images, draws = pictures(20, 2, 3, 5), recorded(20)
    flipped = RandomHorizontalFlip(0.4).apply(images, draws)
    for image, result, number in zip(images, flipped, draws.uniforms[0], strict=True):
        expected = [[row[::-1] for row in channel] for channel in image.tolist()] if number < 0.4 else image.tolist()
        assert result.tolist() == expected


def test_flips_as_often_as_asked_for():
    n, p = 20_000, 0.3
    images = torch.tensor([0.0, 1.0]).expand(n, 1, 1, 2)
    share = RandomHorizontalFlip(p)(images, generator=torch.Generator().manual_seed(0))[..., 0].double().mean()
    assert abs(share - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_certain_coins(pictures):
    images = pictures(5, 1, 3, 4)
    assert torch.equal(RandomHorizontalFlip(0)(images), images)
    assert torch.equal(RandomHorizontalFlip(1)(images), images.flip(3))


def test_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match="probability must be a probability from 0 to 1, got -1"):
        RandomHorizontalFlip(-1)
