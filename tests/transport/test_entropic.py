"""The Sinkhorn divergence: plain loops, its two limits, its gradients, and what it never does."""

import math

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from transports import costs, distances, random_measures, random_points, values

from paperlib.transport import all_pairs, entropic, transport_potentials

PAIR = torch.tensor([[0], [1]])


def by_loops(a, b, cost, epsilon, rounds=2000):
    """Potentials and value of the entropic transport, by Sinkhorn's scalings one entry at a time."""
    points = range(len(a))
    kernel = [[math.exp(-c / epsilon) for c in row] for row in cost]
    u, v = [1.0 for _ in points], [1.0 for _ in points]
    for _ in range(rounds):
        u = [1 / sum(kernel[i][j] * b[j] * v[j] for j in points) for i in points]
        v = [1 / sum(kernel[i][j] * a[i] * u[i] for i in points) for j in points]
    plan = [[a[i] * u[i] * kernel[i][j] * v[j] * b[j] for j in points] for i in points]
    value = 0.0
    for i in points:
        for j in points:
            if plan[i][j] > 0:
                value += plan[i][j] * (cost[i][j] + epsilon * math.log(plan[i][j] / (a[i] * b[j])))
    return [epsilon * math.log(x) for x in u], [epsilon * math.log(x) for x in v], value


@pytest.mark.parametrize("kind", ["euclidean", "squared", "positive"])
@pytest.mark.parametrize("zeros", [False, True])
def test_it_is_what_plain_scalings_give(kind, zeros):
    measures, cost = random_measures(2, 4, zeros=zeros, seed=3), costs(4)[kind]
    epsilon = 0.4 * float(cost.max())
    assert bool((measures == 0).any()) == zeros
    found = transport_potentials(measures, PAIR, cost, entropic=epsilon, tolerance=1e-12)
    a, b = measures.tolist()
    f, g, between = by_loops(a, b, cost.tolist(), epsilon)
    f_own, _, within_a = by_loops(a, a, cost.tolist(), epsilon)
    _, g_own, within_b = by_loops(b, b, cost.tolist(), epsilon)
    assert values(found, measures, PAIR).item() == pytest.approx(between - within_a / 2 - within_b / 2, abs=1e-10)
    for mine, one, own in ((found.f[0], f, f_own), (found.g[0], g, g_own)):
        gap = mine - torch.tensor(one, dtype=torch.float64) + torch.tensor(own, dtype=torch.float64)
        assert torch.allclose(gap, gap[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["euclidean", "squared"])
def test_as_epsilon_falls_it_tends_to_the_exact_distance(kind):
    measures, pairs = random_measures(3, 25, zeros=True), all_pairs(3)
    cost = costs(25)[kind]
    exact = values(transport_potentials(measures, pairs, cost), measures, pairs)
    errors = []
    for epsilon in (0.3, 0.1, 0.03, 0.01, 0.001):
        found = transport_potentials(measures, pairs, cost, entropic=epsilon)
        errors.append(float((values(found, measures, pairs) / exact - 1).abs().max()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3


@pytest.mark.parametrize("kind", ["euclidean", "squared", "positive"])
def test_as_epsilon_grows_it_tends_to_half_the_squared_maximum_mean_discrepancy_of_minus_the_cost(kind):
    measures, pairs, cost = random_measures(3, 15), all_pairs(3), costs(15)[kind]
    found = values(transport_potentials(measures, pairs, cost, entropic=1e5, tolerance=1e-13), measures, pairs)
    apart = measures[pairs[0]] - measures[pairs[1]]
    assert torch.allclose(found, -((apart @ cost) * apart).sum(1) / 2, rtol=1e-3)


@pytest.mark.parametrize("epsilon", [0.02, 0.5])
def test_potentials_are_the_gradients_by_finite_differences(epsilon):
    measures, cost = random_measures(2, 8), costs(8)["euclidean"]

    def divergence(ends):
        return values(transport_potentials(ends, PAIR, cost, entropic=epsilon, tolerance=1e-12), ends, PAIR).item()

    found = transport_potentials(measures, PAIR, cost, entropic=epsilon, tolerance=1e-12)
    for side, potential in enumerate(found):
        for i in range(1, 8):
            step = torch.zeros_like(measures)
            step[side, i], step[side, 0] = 1e-5, -1e-5
            slope = (divergence(measures + step) - divergence(measures - step)) / 2e-5
            assert float(potential[0, i] - potential[0, 0]) == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 10.0])
def test_it_is_zero_between_equal_measures_and_positive_between_others(epsilon):
    measures = random_measures(4, 20, zeros=True)
    measures[1] = measures[0]
    pairs = torch.tensor([[0, 2, 0, 1, 2], [1, 2, 2, 3, 3]])
    found = values(
        transport_potentials(measures, pairs, costs(20)["euclidean"], entropic=epsilon, tolerance=1e-9), measures, pairs
    )
    assert found[:2].abs().max() < 1e-12
    assert found[2:].min() > 1e-3


def test_it_is_symmetric_and_so_are_the_potentials():
    measures, cost = random_measures(2, 20, zeros=True), costs(20)["euclidean"]
    there = transport_potentials(measures, PAIR, cost, entropic=0.1, tolerance=1e-11)
    back = transport_potentials(measures, PAIR.flip(0), cost, entropic=0.1, tolerance=1e-11)
    assert values(there, measures, PAIR).item() == pytest.approx(values(back, measures, PAIR.flip(0)).item(), rel=1e-9)
    for one, other in ((there.f, back.g), (there.g, back.f)):
        assert torch.allclose(one - one[:, :1], other - other[:, :1], rtol=0, atol=1e-8)


def test_one_point_is_no_distance_from_itself():
    alone = torch.ones(2, 1, dtype=torch.float64)
    found = transport_potentials(alone, PAIR, torch.tensor([[2.5]], dtype=torch.float64), entropic=0.1)
    assert values(found, alone, PAIR).item() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("spread", [0.1, 2.0, 100.0])
def test_a_tiny_epsilon_converges_within_its_tolerance_where_plain_scalings_do_not(spread):
    x = random_points(40, 2, seed=1)
    x[:3] += 50.0  # far from the rest: the plan of a measure with itself falls into parts
    cost, measures = distances(x), random_measures(2, 40, spread=spread)
    epsilon = 2e-4 * float(cost.max())
    found = transport_potentials(measures, PAIR, cost, entropic=epsilon, tolerance=1e-8, max_iterations=300)
    assert found.f.isfinite().all()
    assert found.g.isfinite().all()
    exact = values(transport_potentials(measures, PAIR, cost), measures, PAIR).item()
    assert values(found, measures, PAIR).item() == pytest.approx(exact, rel=0.02)
    if spread < 100:  # where most of the mass is at a point, scalings are quick as well
        log_a, log_b = measures.log()
        f = torch.zeros(40, dtype=torch.float64)
        for _ in range(300):
            g = -epsilon * torch.logsumexp(log_a[:, None] + (f[:, None] - cost) / epsilon, 0)
            f, before = -epsilon * torch.logsumexp(log_b[None] + (g[None] - cost) / epsilon, 1), f
        assert (measures[0] * ((before - f) / epsilon).expm1().abs()).sum() > 1e-3


def test_points_without_mass_and_costs_far_above_epsilon_leave_no_nan():
    measures = torch.zeros(2, 6, dtype=torch.float64)
    measures[0, 0] = measures[1, 5] = 1.0
    cost = 1e4 * distances(torch.arange(6.0, dtype=torch.float64)[:, None])
    f, g = transport_potentials(measures, PAIR, cost, entropic=0.1)
    assert float(f[0, 0] + g[0, 5]) == pytest.approx(5e4, rel=1e-12)
    assert f.isfinite().all()
    assert g.isfinite().all()


def test_far_parts_of_a_measure_do_not_blur_the_gradient_where_it_has_no_mass():
    x = torch.cat([random_points(10), random_points(10, seed=1) + 20.0, random_points(5, seed=2) + 10.0])
    measures, cost = random_measures(2, 25), distances(x)
    measures[:, 20:] = 0
    measures[1] = torch.eye(25, dtype=torch.float64)[
        0
    ]  # where all mass goes to one point, f is the cost of going there
    measures /= measures.sum(1, keepdim=True)
    (f,), _ = transport_potentials(measures, PAIR, cost, entropic=0.3)
    own = torch.zeros(25, dtype=torch.float64)
    for _ in range(300):  # the potential of the first measure with itself, which is one and the same on both sides
        own = own / 2 - 0.15 * torch.logsumexp(measures[0].log() + (own - cost) / 0.3, 1)
    gap = f - cost[0] + own
    assert torch.allclose(gap, gap[0], rtol=0, atol=1e-5)


def test_taking_pairs_in_chunks_changes_nothing(monkeypatch):
    measures, pairs, cost = random_measures(4, 15), all_pairs(4), costs(15)["euclidean"]
    whole = transport_potentials(measures, pairs, cost, entropic=0.1, tolerance=1e-11)
    monkeypatch.setattr(entropic, "_ENTRIES", 450)  # two pairs at once
    chunks = transport_potentials(measures, pairs, cost, entropic=0.1, tolerance=1e-11)
    assert torch.allclose(values(whole, measures, pairs), values(chunks, measures, pairs), rtol=1e-10)
    assert torch.allclose(whole.f - whole.f[:, :1], chunks.f - chunks.f[:, :1], rtol=0, atol=1e-8)


def test_looking_at_the_residual_less_often_changes_no_answer(monkeypatch):
    measures, cost = random_measures(2, 15), costs(15)["euclidean"]
    often = transport_potentials(measures, PAIR, cost, entropic=0.05, tolerance=1e-11)
    monkeypatch.setattr(entropic, "_look_every", lambda _: 10)
    rarely = transport_potentials(measures, PAIR, cost, entropic=0.05, tolerance=1e-11)
    assert values(often, measures, PAIR).item() == pytest.approx(values(rarely, measures, PAIR).item(), rel=1e-10)


def test_a_loose_tolerance_is_met_at_the_epsilon_that_was_asked_for():
    measures, cost = random_measures(2, 30), costs(30)["euclidean"]
    loose, tight = (
        values(transport_potentials(measures, PAIR, cost, entropic=0.02, tolerance=t), measures, PAIR).item()
        for t in (0.3, 1e-10)
    )
    assert loose == pytest.approx(tight, rel=0.2)


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_near_the_optimum_the_error_squares_itself(spread):
    measures, cost = random_measures(5, 40, spread=spread), costs(40)["euclidean"]
    epsilon = 0.02 * float(cost.max())
    transport_potentials(measures, all_pairs(5), cost, entropic=epsilon, tolerance=1e-12, max_iterations=30)


@pytest.mark.parametrize("limit", [1, 5])
def test_stopping_early_warns_once_and_names_the_knobs(limit):
    measures, cost = random_measures(3, 20), costs(20)["euclidean"]
    advice = (
        r"after \d iterations with [0-9.e-]+ of the mass misplaced.*raise entropic \(now 0\.01\), max_iterations or"
    )
    with pytest.warns(ConvergenceWarning, match=advice) as caught:
        transport_potentials(measures, all_pairs(3), cost, entropic=0.01, max_iterations=limit)
    assert [one.filename for one in caught] == [__file__]
