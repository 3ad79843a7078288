"""Pairs of measures: each once, and every one as likely as the others."""

from itertools import combinations

import pytest
import torch

from paperlib.transport import all_pairs, random_pairs


@pytest.mark.parametrize("k", [1, 2, 5])
def test_all_pairs_are_the_combinations(k):
    assert all_pairs(k).dtype == torch.int64
    assert all_pairs(k).shape == (2, k * (k - 1) // 2)
    assert [tuple(pair) for pair in all_pairs(k).T.tolist()] == list(combinations(range(k), 2))


def test_random_pairs_are_distinct_ordered_and_repeat_with_the_seed():
    draws = [random_pairs(6, 9, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    for draw in draws:
        assert (draw[0] < draw[1]).all()
        assert len({tuple(pair) for pair in draw.T.tolist()}) == 9


def test_as_many_as_there_are_is_all_of_them():
    drawn = random_pairs(5, 10, torch.Generator().manual_seed(0))
    assert {tuple(pair) for pair in drawn.T.tolist()} == set(combinations(range(5), 2))


def test_each_pair_is_drawn_as_often_as_any_other():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([random_pairs(4, 2, generator) for _ in range(3000)], dim=1)
    counts = torch.bincount(drawn[0] * 4 + drawn[1], minlength=16)
    expected = torch.zeros(4, 4)
    expected[tuple(all_pairs(4))] = 1000.0  # two of six, 3000 times
    assert (counts - expected.flatten()).abs().max() < 4 * 26  # four standard deviations


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "k must be a whole number of at least 1, got 0"),
        ((4, 0), "n_pairs must be a whole number of at least 1, got 0"),
        ((4, 7), r"n_pairs=7 is more than the 6 pairs of k=4; use all_pairs\(4\)"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        random_pairs(*arguments)
