"""Data as a training loop sees them."""

import pytest
import torch

from paperlib.data.augmentations import Draws, RandomHorizontalFlip
from paperlib.training import Views
from paperlib.training.batches import random_batches, rows_at

INDEX = torch.tensor([3, 0, 2])


def draws(n=3, rows=None):
    return Draws(n, torch.Generator().manual_seed(0), rows=rows)


@pytest.mark.parametrize(
    ("shape", "expected"), [((4, 5), (3, 5)), ((4, 6, 7), (3, 1, 6, 7)), ((4, 3, 6, 7), (3, 3, 6, 7))]
)
def test_bytes_become_numbers_from_0_to_1_and_grey_images_a_channel(shape, expected):
    x = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x.view(-1)[:2] = torch.tensor([0, 255])
    found = Views(x).samples(INDEX)
    assert found.shape == expected
    assert found.dtype == torch.float32
    assert torch.equal(found, (x[INDEX].float() / 255).view(expected))
    assert torch.equal(Views(x).samples(slice(0, 1)).flatten()[:2], torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(4, 5), (4, 6, 7)])
def test_floating_point_is_left_as_it_is(dtype, shape):
    x = torch.rand(shape).to(dtype)
    found = Views(x).samples(INDEX)
    assert found.dtype == dtype
    assert torch.equal(found, x[INDEX])


def test_each_view_is_changed_by_its_own_augmentation_and_its_own_numbers():
    x = torch.rand(4, 1, 2, 3)
    mirror = RandomHorizontalFlip(1.0)
    found = Views(x, (None, mirror)).draw(INDEX, draws())
    assert torch.equal(found, torch.stack([x[INDEX], x[INDEX].flip(-1)]))
    coin = RandomHorizontalFlip(0.5)
    first, second = Views(torch.rand(1, 1, 2, 3).expand(64, 1, 2, 3), (coin, coin)).draw(torch.arange(64), draws(64))
    assert not torch.equal(first, second)


def test_drawing_leaves_the_data_alone():
    x = torch.rand(4, 2)
    before = x.clone()
    Views(x).draw(INDEX, draws()).zero_()
    assert torch.equal(x, before)


def test_ranks_see_together_what_one_process_sees():
    x = torch.rand(8, 1, 2, 3)
    index, neighbors = torch.arange(8).flip(0), torch.randint(8, (8, 5), generator=torch.Generator().manual_seed(1))
    views = Views(x, (None, RandomHorizontalFlip(0.5)), neighbors)
    whole = views.draw(index, draws(8))
    parts = [views.draw(index[rows], draws(8, rows)) for rows in (slice(0, 4), slice(4, 8))]
    assert torch.equal(torch.cat(parts, dim=1), whole)


@pytest.mark.parametrize(
    ("neighbors", "views", "message"),
    [
        (torch.zeros(4, 0, dtype=torch.int64), 2, r"int64 \[4, m\], got torch.int64 \[4, 0\]"),
        (torch.zeros(4, 2, dtype=torch.int32), 2, r"int64 \[4, m\], got torch.int32 \[4, 2\]"),
        (torch.zeros(4, dtype=torch.int64), 2, r"int64 \[4, m\]"),
        (torch.zeros(4, 2, dtype=torch.int64), 1, "shown from the second view on; give two augmentations"),
    ],
)
def test_neighbours_that_cannot_be_shown_are_refused(neighbors, views, message):
    with pytest.raises(ValueError, match=message):
        Views(torch.rand(4, 2), (None,) * views, neighbors)


def test_rows_are_those_at_the_places():
    values = torch.arange(8.0).view(4, 2)
    assert torch.equal(rows_at(values, INDEX), values[[3, 0, 2]])
    assert rows_at(values, None) is values


def test_random_batches_are_full_and_hold_no_sample_twice():
    batches = random_batches(11, 3, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert len(torch.cat(batches).unique()) == 9
    assert random_batches(11, None, None) == [None]
    assert random_batches(11, 11, None) == [None]
