"""Squares that hide a part, against a loop over holes and pixels."""

import pytest
import torch

from paperlib.data.augmentations import Cutout


@pytest.mark.parametrize(("side", "n_holes"), [(1, 1), (3, 2), (4, 1), (6, 3), (50, 1)])
def test_equals_a_loop_over_holes_and_pixels(pictures, recorded, side, n_holes):
    images, draws = pictures(9, 2, 7, 11), recorded(9)
    holed = Cutout(side, n_holes, fill=-1.0).apply(images, draws)
    expected = images.clone()
    for i in range(9):
        for y, x in zip(*(centre[i, :, 0].tolist() for centre in draws.wholes), strict=True):
            for row in range(y - side // 2, y - side // 2 + side):
                for column in range(x - side // 2, x - side // 2 + side):
                    if 0 <= row < 7 and 0 <= column < 11:
                        expected[i, :, row, column] = -1
    assert torch.equal(holed, expected)


def test_centres_are_uniform_over_the_pixels():
    n = 8000
    hidden = Cutout(1)(torch.ones(n, 1, 2, 4), generator=torch.Generator().manual_seed(0)) == 0
    counts = hidden.sum(0)
    assert counts.sum() == n
    assert ((counts - n / 8).abs() < 4 * (n / 8 * 7 / 8) ** 0.5).all()


def test_refusals():
    with pytest.raises(ValueError, match="side must be a whole number of at least 1, got 0"):
        Cutout(0)
    with pytest.raises(ValueError, match=r"n_holes must be a whole number of at least 1, got 0\.5"):
        Cutout(4, 0.5)
