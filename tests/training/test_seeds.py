"""Random numbers that depend on where a run is."""

from itertools import product

import numpy as np
import pytest
import torch

from paperlib.training.seeds import AUGMENTATION, NOISE, ORDER, generator_for, seed_for


def test_a_place_has_one_seed():
    assert seed_for(3, NOISE, 70) == seed_for(3, NOISE, 70)
    a, b = (torch.rand(5, generator=generator_for(3, ORDER, 2)) for _ in range(2))
    assert torch.equal(a, b)


def test_places_have_seeds_of_their_own():
    places = list(product(range(20), (ORDER, AUGMENTATION, NOISE), range(200)))
    assert len({seed_for(*place) for place in places}) == len(places)


def test_the_purposes_are_three():
    assert len({ORDER, AUGMENTATION, NOISE}) == 3


def test_seeds_are_those_of_numpys_sequence_and_fit_torch():
    for place in ((0, 0, 0), (5, 2, 10**7), (2**40, 1, 3)):
        expected = np.random.SeedSequence(place).generate_state(2, np.uint32)
        seed = seed_for(*place)
        assert seed == int(expected[0]) + int(expected[1]) * 2**32
        assert type(seed) is int
        assert generator_for(*place).initial_seed() % 2**64 == seed


def test_neighbouring_places_give_unrelated_numbers():
    draws = torch.stack([torch.rand(1000, generator=generator_for(0, AUGMENTATION, step)) for step in range(8)])
    correlations = torch.corrcoef(draws) - torch.eye(8)
    assert correlations.abs().max() < 5 / 1000**0.5
    firsts = torch.stack([torch.rand(1, generator=generator_for(0, AUGMENTATION, step)) for step in range(1000)])
    assert firsts.mean().item() == pytest.approx(0.5, abs=5 * (1 / 12 / 1000) ** 0.5)


def test_a_generator_leaves_the_global_one_alone():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    torch.rand(3, generator=generator_for(1, NOISE, 1))
    assert torch.equal(torch.rand(2), expected)
