"""VGG4 as its source has it."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from paperlib.models import VGG4

WIDTHS = (64, 128, 256, 512)


def model_of(seed=0, **options):
    return VGG4(10, generator=torch.Generator().manual_seed(seed), **options)


def convolutions(model):
    return [layer for layer in model.features if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize(("side", "last"), [(24, 3), (28, 3), (8, 1)])
def test_logits_are_those_of_four_blocks_with_three_poolings(side, last):
    model = model_of(image_size=side).double()
    x = torch.randn(2, 1, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z = x
    for i, convolution in enumerate(convolutions(model)):
        z = functional.conv2d(z, convolution.weight, padding=2)
        z = (z - z.mean((0, 2, 3), keepdim=True)) / (z.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
        z = z.clamp_min(0)
        if i < 3:
            z = functional.max_pool2d(z, 2)
    assert z.shape == (2, 512, last, last)
    assert model.n_features == 512 * last**2
    torch.testing.assert_close(model(x), z.reshape(2, -1) @ model.head.weight.T + model.head.bias)


@pytest.mark.parametrize("channels", [1, 3, 64])
def test_parameters_are_counted_block_by_block(channels):
    pairs = zip((channels, *WIDTHS), WIDTHS, strict=False)
    expected = sum(25 * n_in * n_out + 2 * n_out for n_in, n_out in pairs) + (512 * 9 + 1) * 10
    assert sum(p.numel() for p in model_of(in_channels=channels).parameters()) == expected


def test_first_weights_have_the_deviations_of_the_source():
    model = model_of()
    for convolution in convolutions(model)[1:]:
        expected = math.sqrt(2 / (25 * convolution.in_channels))
        assert convolution.weight.std().item() == pytest.approx(expected, rel=0.01)
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert model.head.bias.abs().max() == 0


def test_images_that_cannot_be_halved_thrice_are_refused():
    with pytest.raises(ValueError, match="image_size, for three halvings, must be a whole number of at least 8, got 7"):
        VGG4(10, image_size=7)
