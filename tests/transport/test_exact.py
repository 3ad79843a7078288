"""Exact potentials: linear programs, POT, closed forms in one dimension, feasibility everywhere, gradients."""

import sys

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance
from transports import costs, distances, random_measures, random_points, values

from paperlib.transport import all_pairs, transport_potentials

KINDS = ["euclidean", "hops", "squared", "toll", "positive"]
PAIR = torch.tensor([[0], [1]])


def by_linear_program(a, b, cost):
    n = len(a)
    rows, columns = np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))
    found = linprog(cost.numpy().ravel(), A_eq=np.vstack((rows, columns)), b_eq=np.r_[a.numpy(), b.numpy()])
    return found.fun


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_value_is_that_of_the_linear_program_and_of_pot(kind, zeros):
    measures, pairs = random_measures(4, 7, zeros=zeros), all_pairs(4)
    cost = costs(7)[kind]
    found = values(transport_potentials(measures, pairs, cost), measures, pairs)
    for value, a, b in zip(found.tolist(), measures[pairs[0]], measures[pairs[1]], strict=True):
        assert value == pytest.approx(by_linear_program(a, b, cost), rel=1e-8)
        assert value == pytest.approx(ot.emd2(a.numpy(), b.numpy(), cost.numpy()), rel=1e-9)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_potentials_are_feasible_on_all_points_and_tight_at_each(kind, zeros):
    measures, pairs = random_measures(5, 40, zeros=zeros, spread=2.0), all_pairs(5)
    cost = costs(40)[kind]
    f, g = transport_potentials(measures, pairs, cost)
    slack = cost - f[:, :, None] - g[:, None]
    assert slack.min() >= -1e-12
    assert slack.amin(2).max() <= 1e-12
    assert slack.amin(1).max() <= 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_they_bound_the_distance_of_all_other_measures_from_below(kind):
    measures, pairs = random_measures(2, 12, zeros=True), PAIR
    cost = costs(12)[kind]
    (f,), (g,) = transport_potentials(measures, pairs, cost)
    others = torch.cat([random_measures(6, 12, seed=1, spread=2.0), torch.eye(12, dtype=torch.float64)])
    for a, b in zip(others, others.flip(0), strict=True):
        assert float(f @ a + g @ b) <= ot.emd2(a.numpy(), b.numpy(), cost.numpy()) + 1e-12


@pytest.mark.parametrize("kind", ["euclidean", "squared", "positive"])
def test_they_are_the_gradients_by_finite_differences(kind):
    measures, cost = random_measures(2, 9), costs(9)[kind]
    found = transport_potentials(measures, PAIR, cost)
    for side, potential in enumerate(found):
        for i in range(1, 9):
            step = 1e-6 * (torch.eye(9, dtype=torch.float64)[i] - torch.eye(9, dtype=torch.float64)[0])
            moved = []
            for sign in (1, -1):
                ends = measures.clone()
                ends[side] += sign * step
                moved.append(ot.emd2(*ends.numpy(), cost.numpy()))
            assert float(potential[0, i] - potential[0, 0]) == pytest.approx((moved[0] - moved[1]) / 2e-6, abs=1e-6)


def test_on_a_line_it_is_the_area_between_the_distribution_functions():
    x, measures, pairs = random_points(50, 1), random_measures(3, 50, zeros=True), all_pairs(3)
    found = values(transport_potentials(measures, pairs, distances(x)), measures, pairs)
    line, order = x[:, 0].numpy(), x[:, 0].argsort()
    for value, a, b in zip(found.tolist(), measures[pairs[0]], measures[pairs[1]], strict=True):
        assert value == pytest.approx(wasserstein_distance(line, line, a.numpy(), b.numpy()), rel=1e-9)
        area = (a - b)[order].cumsum(0)[:-1].abs() @ x[order, 0].diff()
        assert value == pytest.approx(float(area), rel=1e-9)


def test_between_single_points_it_is_their_cost():
    for cost in costs(6).values():
        measures, pairs = torch.eye(6, dtype=torch.float64), all_pairs(6)
        found = values(transport_potentials(measures, pairs, cost), measures, pairs)
        assert torch.allclose(found, cost[pairs[0], pairs[1]], rtol=1e-12)


def test_one_point_costs_its_own_cost():
    alone = torch.ones(2, 1, dtype=torch.float64)
    for own in (0.0, 2.5):
        found = transport_potentials(alone, PAIR, torch.tensor([[own]], dtype=torch.float64))
        assert values(found, alone, PAIR).tolist() == [own]


def test_equal_measures_under_a_metric_have_potentials_of_zero():
    measures, pairs = random_measures(1, 20, zeros=True).repeat(4, 1), all_pairs(4)
    f, g = transport_potentials(measures, pairs, costs(20)["euclidean"])
    assert f.abs().max() == g.abs().max() == 0


def test_equal_measures_move_where_staying_costs():
    measures, cost = torch.full((2, 2), 0.5, dtype=torch.float64), torch.tensor([[3.0, 1.0], [1.0, 3.0]])
    assert values(transport_potentials(measures, PAIR, cost), measures, PAIR).item() == pytest.approx(1.0, rel=1e-12)


def test_measures_that_differ_by_rounding_are_no_distance_apart():
    measures = random_measures(1, 30).repeat(2, 1)
    measures[1] *= 1 + 1e-15 * random_points(30, 1)[:, 0]
    found = transport_potentials(measures, PAIR, costs(30)["euclidean"])
    assert abs(values(found, measures, PAIR).item()) < 1e-14
    assert found.f.isfinite().all()
    assert found.g.isfinite().all()


@pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e30])
def test_the_unit_of_the_cost_changes_nothing(unit):
    measures, pairs, cost = random_measures(3, 30), all_pairs(3), costs(30)["squared"]
    found = values(transport_potentials(measures, pairs, unit * cost), measures, pairs)
    assert torch.allclose(
        found / unit, values(transport_potentials(measures, pairs, cost), measures, pairs), rtol=1e-12
    )


def test_masses_of_every_size_are_transported():
    measures = random_measures(3, 40, spread=100.0)  # from one down to the smallest numbers
    assert 0 < measures.min() < 1e-200
    for cost in costs(40).values():
        found = values(transport_potentials(measures, all_pairs(3), cost), measures, all_pairs(3))
        for value, a, b in zip(found.tolist(), *(measures[row] for row in all_pairs(3)), strict=True):
            assert value == pytest.approx(ot.emd2(a.numpy(), b.numpy(), cost.numpy()), rel=1e-9)


def test_shared_mass_moves_where_a_detour_is_cheaper_though_the_centre_does_not_show_it():
    cost = torch.full((10, 10), 0.2, dtype=torch.float64)  # points 3 to 9 lie close around point 9
    cost[9], cost[:, 9] = 0.1, 0.1
    cost[:3], cost[:, :3] = 1.1, 1.1
    cost[:3, 9], cost[9, :3] = 1.0, 1.0
    cost[0, 1] = cost[1, 0] = 2.0
    cost[0, 2] = cost[2, 0] = cost[1, 2] = cost[2, 1] = 0.5  # from 0 to 1 by way of 2 costs half
    cost.fill_diagonal_(0)
    assert (cost <= cost[:, 9:] + cost[9:]).all()
    assert cost.sum(1).argmin() == 9
    measures = torch.zeros(2, 10, dtype=torch.float64)
    measures[0, [0, 2]] = measures[1, [1, 2]] = 0.5
    assert values(transport_potentials(measures, PAIR, cost), measures, PAIR).item() == pytest.approx(0.5, rel=1e-12)


def test_a_metric_is_solved_on_the_difference_of_the_measures_only(monkeypatch):
    sizes, emd = [], ot.emd
    monkeypatch.setattr(ot, "emd", lambda a, b, *rest, **options: sizes.append((a, b)) or emd(a, b, *rest, **options))
    measures = random_measures(2, 30)
    transport_potentials(measures, PAIR, costs(30)["euclidean"])
    transport_potentials(measures, PAIR, costs(30)["squared"])
    more = int((measures[0] > measures[1]).sum())
    assert [(len(a), len(b)) for a, b in sizes] == [(more, 30 - more), (30, 30)]


def test_threads_change_nothing():
    measures, cost, before = random_measures(4, 220), costs(220)["euclidean"], torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(transport_potentials(measures, all_pairs(4), cost))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0].f, found[1].f)
    assert torch.equal(found[0].g, found[1].g)


def test_a_failure_of_the_network_simplex_is_an_error(monkeypatch):
    monkeypatch.setattr(ot, "emd", lambda *_, **__: (None, {"warning": "numItermax reached", "cost": 0.0}))
    with pytest.raises(RuntimeError, match="network simplex failed on 5 points: numItermax reached"):
        transport_potentials(random_measures(2, 5), PAIR, costs(5)["squared"])


def test_potentials_that_prove_less_than_the_plan_are_an_error(monkeypatch):
    log = {"warning": None, "cost": 7.0, "u": np.zeros(5)}
    monkeypatch.setattr(ot, "emd", lambda *_, **__: (None, log))
    with pytest.raises(RuntimeError, match=r"on 5 points prove 0 where its plan costs 7 \(in a unit .*; give entropic"):
        transport_potentials(random_measures(2, 5), PAIR, costs(5)["squared"])


def test_without_pot_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(ImportError, match=r"pip install 'paperlib\[transport\]', or give entropic"):
        transport_potentials(random_measures(2, 5), PAIR, costs(5)["squared"])
