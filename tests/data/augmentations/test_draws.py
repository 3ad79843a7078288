"""The random numbers of a batch: the same for all ranks together as for one process."""

import pytest
import torch

from paperlib.data.augmentations import Draws

ROWS = [slice(0, 3), slice(3, 10), slice(1, None, 4), slice(None)]
DRAWN = {
    "uniform": lambda draws: draws.uniform(-1, 2, 3),
    "coin": lambda draws: draws.coin(0.4),
    "normal": lambda draws: draws.normal(2, 2),
    "whole": lambda draws: draws.whole(-2, 5, 2),
    "order": lambda draws: draws.order(4),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
@pytest.mark.parametrize("rows", ROWS, ids=str)
def test_local_rows_are_those_of_the_whole_draw_after_draw(draw, rows):
    whole, local = Draws(10, seeded()), Draws(10, seeded(), rows)
    assert len(local) == len(range(10)[rows])
    for _ in range(2):
        torch.testing.assert_close(draw(local), draw(whole)[rows], rtol=0, atol=0)


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_the_seed_fixes_the_numbers_and_another_seed_changes_them(draw):
    first, again, other = draw(Draws(40, seeded())), draw(Draws(40, seeded())), draw(Draws(40, seeded(1)))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_a_generator_the_global_one_is_used():
    torch.manual_seed(3)
    first = Draws(4).uniform()
    torch.manual_seed(3)
    assert torch.equal(first, Draws(4).uniform())


def test_shapes_types_and_bounds():
    draws = Draws(2000, seeded())
    uniform, normal = draws.uniform(-3, -1, 2), draws.normal(2)
    whole, order = draws.whole(-1, 2, 2), draws.order(3)
    assert uniform.shape == normal.shape == whole.shape == (2000, 2)
    assert uniform.dtype == normal.dtype == torch.float32
    assert draws.uniform(dtype=torch.float64).dtype == draws.normal(dtype=torch.float64).dtype == torch.float64
    assert -3 <= uniform.min() < -2.99
    assert -1.01 < uniform.max() <= -1
    assert set(whole.flatten().tolist()) == {-1, 0, 1}
    assert torch.equal(order.sort(1).values, torch.arange(3).expand(2000, 3))
    assert len({tuple(row) for row in order.tolist()}) == 6


def test_equal_bounds_give_the_bound_exactly():
    assert Draws(9, seeded()).uniform(0.3, 0.3, dtype=torch.float64).tolist() == [0.3] * 9


def test_coins_come_up_as_often_as_they_should():
    n, p = 20_000, 0.3
    share = Draws(n, seeded()).coin(p).double().mean()
    assert abs(share - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_certain_coins_are_certain_whatever_is_drawn(monkeypatch):
    for smallest_and_largest in (0.0, 1 - 2**-24):
        monkeypatch.setattr(torch, "rand", lambda shape, drawn=smallest_and_largest, **_: torch.full(shape, drawn))
        assert not Draws(3).coin(0.0).any()
        assert Draws(3).coin(1.0).all()


def test_normal_numbers_have_mean_zero_and_variance_one():
    drawn = Draws(20_000, seeded()).normal(dtype=torch.float64)
    assert abs(drawn.mean()) < 4 / 20_000**0.5
    assert abs(drawn.var() - 1) < 4 * (2 / 20_000) ** 0.5


def test_refusals():
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, got 0"):
        Draws(0)
    with pytest.raises(TypeError, match=r"rows must be None or a slice .* got \[0, 1\]; use slice"):
        Draws(3, seeded(), [0, 1])
