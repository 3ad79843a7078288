"""Each channel shifted and scaled."""

import pytest
import torch

from paperlib.data.augmentations import Normalize


def test_equals_a_loop_over_the_channels(pictures):
    images, mean, std = pictures(2, 3, 4, 4), (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)
    scaled = Normalize(mean, std)(images)
    for channel in range(3):
        assert torch.equal(scaled[:, channel], (images[:, channel] - mean[channel]) / std[channel])


def test_one_number_serves_all_channels(pictures):
    images = pictures(2, 3, 4, 4)
    assert torch.equal(Normalize(0.5, 0.25)(images), (images - 0.5) / 0.25)
    assert torch.equal(Normalize([0.5], (1, 2, 4))(images), Normalize([0.5] * 3, (1, 2, 4))(images))
    assert torch.equal(Normalize(0, 1)(images), images)


def test_refusals():
    with pytest.raises(ValueError, match="std must be a finite number > 0, got 0"):
        Normalize(0.5, (1, 0))
    with pytest.raises(ValueError, match="each of the 3 channels of the images, or one for all, got 2 and 1"):
        Normalize((0.5, 0.5), 1)(torch.zeros(1, 3, 2, 2))
