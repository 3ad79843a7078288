"""Learning rates as functions of how much of a run is done."""

import math
from itertools import pairwise

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from paperlib.training import geometric, learning_rate_factor

STEPS = 200


def rates_of(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(rates) < STEPS else None
    return rates


def test_one_cycle_is_torchs_whose_halves_end_a_step_earlier():
    """Torch reaches peak and end at steps ``0.3 T - 1`` and ``T - 1``; here they are at shares 0.3 and 1."""
    theirs = rates_of(lambda optimizer: OneCycleLR(optimizer, 1.0, total_steps=STEPS, cycle_momentum=False))
    peak, last = 0.3 * STEPS - 1, STEPS - 1
    for step, rate in enumerate(theirs):
        progress = 0.3 * step / peak if step < peak else 0.3 + 0.7 * (step - peak) / (last - peak)
        assert learning_rate_factor("one_cycle", progress) == pytest.approx(rate, abs=1e-12)


def test_cosine_is_torchs():
    theirs = rates_of(lambda optimizer: CosineAnnealingLR(optimizer, STEPS))
    for step, rate in enumerate(theirs):
        assert learning_rate_factor("cosine", step / STEPS) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize(
    ("schedule", "progress", "factor"),
    [
        ("one_cycle", 0.0, 1 / 25),
        ("one_cycle", 0.15, (1 / 25 + 1) / 2),
        ("one_cycle", 0.3, 1.0),
        ("one_cycle", 0.65, (1 + 4e-6) / 2),
        ("one_cycle", 1.0, 1 / 25 / 1e4),
        ("cosine", 0.0, 1.0),
        ("cosine", 1 / 3, 0.75),
        ("cosine", 1.0, 0.0),
        ("constant", 0.0, 1.0),
        ("constant", 1.0, 1.0),
    ],
)
def test_ends_and_middles(schedule, progress, factor):
    assert learning_rate_factor(schedule, progress) == pytest.approx(factor, abs=1e-15)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_it_rises_to_one_peak_and_falls_without_a_jump(schedule):
    values = [learning_rate_factor(schedule, step / 1000) for step in range(1001)]
    peak = values.index(max(values))
    assert values[: peak + 1] == sorted(values[: peak + 1])
    assert values[peak:] == sorted(values[peak:], reverse=True)
    assert max(abs(a - b) for a, b in pairwise(values)) < 0.006
    assert max(values) == pytest.approx(1.0)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="schedule must be one of 'one_cycle', 'cosine', 'constant', got 'warm'"):
        learning_rate_factor("warm", 0.5)


def test_a_geometric_weight_moves_by_equal_factors_and_then_stays():
    weight = geometric(100.0, 1.0, until=0.5)
    values = [weight(progress) for progress in (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)]
    assert values == pytest.approx([100, 100**0.75, 10, 100**0.25, 1, 1, 1])
    assert geometric(2.0, 8.0)(0.5) == pytest.approx(4.0)
    assert geometric(3.0, 3.0)(0.7) == 3.0


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ((0.0, 1.0, 1.0), "first"),
        ((1.0, -2.0, 1.0), "last"),
        ((1.0, 2.0, 0.0), "until"),
        ((math.nan, 2.0, 1.0), "first"),
    ],
)
def test_numbers_that_are_not_positive_are_refused(given, name):
    first, last, until = given
    with pytest.raises(ValueError, match=f"{name} must be a finite number > 0"):
        geometric(first, last, until=until)
