"""EM under collision cross-entropy: against a generic optimiser, its conditions as loops, and its own certificate."""

import math

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from problems import generic_optimum, predictions

from paperlib.losses import fairness_loss, self_labeling_loss
from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.pseudo_labels.collision import wright_omega

UNEVEN = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
DIRECTIONS = pytest.mark.parametrize("direction", ["forward", "reverse"])


def em(weight, direction, **settings):
    return ExpectationMaximization(weight, divergence="collision_cross_entropy", direction=direction, **settings)


def by_the_definition(sigma, y, weight, prior, direction):
    n, k = sigma.shape
    coupling = -sum(math.log(sum(float(sigma[i, c] * y[i, c]) for c in range(k))) for i in range(n)) / n
    mean = [sum(float(y[i, c]) for i in range(n)) / n for c in range(k)]
    p, q = (prior.tolist(), mean) if direction == "forward" else (mean, prior.tolist())
    return coupling + weight * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


@DIRECTIONS
def test_the_value_is_the_definition_and_the_librarys_losses(direction):
    sigma = predictions()
    found = em(2.0, direction).solve(sigma, prior=UNEVEN)
    assert found.value == pytest.approx(by_the_definition(sigma, found.targets, 2.0, UNEVEN, direction), rel=1e-12)
    coupling = self_labeling_loss(sigma.log(), found.targets, divergence="collision_cross_entropy")
    fairness = fairness_loss(found.targets.mean(0), UNEVEN, direction=direction)
    assert found.value == pytest.approx(float(coupling + 2 * fairness), rel=1e-12)


@DIRECTIONS
@pytest.mark.parametrize("weight", [0.5, 3.0])
@pytest.mark.parametrize("prior", [None, UNEVEN])
def test_it_reaches_the_optimum_of_a_generic_optimiser(direction, weight, prior):
    sigma, u = predictions(scale=1.0, tilt=1.0), torch.full((4,), 0.25, dtype=torch.float64) if prior is None else prior

    def value(log_y):
        marginal = log_y.exp().mean(0)
        coupling = -torch.logsumexp(log_y + sigma.log(), 1).mean()
        return coupling + weight * fairness_loss(marginal, u, direction=direction)

    best, _ = generic_optimum(value, sigma)  # which stops a little early, where labels are nearly hard
    found = em(weight, direction, tolerance=1e-6, max_iterations=10_000).solve(sigma, prior=prior)
    assert found.converged
    assert best - 1e-2 < found.value <= best + found.gap


@DIRECTIONS
def test_the_optimality_conditions_hold_as_loops(direction):
    sigma, weight = predictions(), 3.0
    y = em(weight, direction, tolerance=1e-9, max_iterations=4096).solve(sigma, prior=UNEVEN, warn=False).targets
    mean = y.mean(0)
    for i in range(30):
        agreement = float(sigma[i] @ y[i])
        descents = [
            float(sigma[i, c]) / agreement
            + weight * float(UNEVEN[c] / mean[c] if direction == "forward" else (UNEVEN[c] / mean[c]).log())
            for c in range(4)
        ]
        for c in range(4):  # labels only where the descent is steepest
            assert float(y[i, c]) * (max(descents) - descents[c]) <= 1e-5


@settings(deadline=None, max_examples=25)
@example(411, 2, 5.0, 0.02, "reverse", torch.float32)
@given(
    st.integers(0, 10_000),
    st.integers(2, 6),
    st.sampled_from([0.3, 1.0, 5.0, 30.0]),
    st.sampled_from([0.02, 0.5, 3.0, 200.0]),
    st.sampled_from(["forward", "reverse"]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_the_value_never_rises_and_the_gap_covers_what_is_left(seed, k, scale, weight, direction, dtype):
    sigma = predictions(20, k, seed=seed, scale=scale, tilt=scale, dtype=dtype)
    values, gaps = [], []
    for count in range(1, 9):
        found = em(weight, direction, max_iterations=count, tolerance=1e-30).solve(sigma, warn=False)
        values.append(found.value)
        gaps.append(found.gap)
    rounding = 20 * torch.finfo(dtype).eps * (1 + weight)
    assert np.all(np.diff(values) <= rounding)
    torch.testing.assert_close(found.targets.sum(1), torch.ones(20, dtype=dtype))
    best = em(weight, direction, max_iterations=2**9).solve(sigma, warn=False).value
    for value, gap in zip(values, gaps, strict=True):
        assert value - best <= gap + rounding


@DIRECTIONS
def test_labels_are_mostly_hard_and_the_default_tolerance_is_reached(direction):
    found = em(1.0, direction).solve(predictions(2000, 5))
    assert found.converged
    assert found.gap <= 1e-3
    assert float((found.targets.amax(1) > 0.9).double().mean()) > 0.9


@DIRECTIONS
def test_weight_zero_gives_the_likeliest_cluster_and_a_great_one_the_prior(direction):
    sigma = predictions()
    hard = em(0.0, direction).solve(sigma)
    assert torch.equal(hard.targets, torch.eye(4, dtype=torch.float64)[sigma.argmax(1)])
    assert hard.value == pytest.approx(float(-sigma.amax(1).log().mean()), rel=1e-12)
    fair = em(100.0, direction, tolerance=1e-2, max_iterations=10_000).solve(sigma, prior=UNEVEN).targets
    torch.testing.assert_close(fair.mean(0), UNEVEN, rtol=0, atol=1e-2)


@DIRECTIONS
def test_one_row_and_one_cluster_are_closed_forms(direction):
    single = em(2.0, direction).solve(torch.ones(5, 1, dtype=torch.float64))
    assert (single.value, single.gap) == (0.0, 0.0)
    # an even row has no preference, so fairness alone decides
    found = em(2.0, direction, tolerance=1e-12).solve(torch.full((1, 4), 0.25, dtype=torch.float64), prior=UNEVEN)
    torch.testing.assert_close(found.targets, UNEVEN[None], rtol=0, atol=1e-5)


@DIRECTIONS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_hot_rows_are_solved_and_an_empty_cluster_gets_its_share(direction, dtype):
    sigma = torch.eye(4, dtype=dtype)[torch.arange(60) % 3]  # nobody is in the last cluster
    found = em(10.0, direction, tolerance=1e-4, max_iterations=10_000).solve(sigma)
    # with theta the share moved: minus ln(1 - theta) plus weight times a divergence, least by bisection of its slope
    low, high = 0.0, 0.25
    for _ in range(60):
        theta = (low + high) / 2
        if direction == "forward":
            slope = 1 / (1 - theta) + 10 * (0.75 / (1 - theta) - 0.25 / theta)
        else:
            slope = 1 / (1 - theta) + 10 * (math.log(theta / 0.25) - math.log((1 - theta) / 0.75))
        low, high = (low, theta) if slope > 0 else (theta, high)
    assert found.converged
    assert float(found.targets.mean(0)[3]) == pytest.approx(theta, abs=5e-3)


@DIRECTIONS
def test_relabelling_and_repeating_change_nothing(direction):
    sigma, order = predictions(), [3, 1, 0, 2]
    y = em(2.0, direction).solve(sigma).targets
    torch.testing.assert_close(em(2.0, direction).solve(sigma[:, order]).targets, y[:, order])
    torch.testing.assert_close(em(2.0, direction).solve(sigma.repeat(2, 1)).targets, y.repeat(2, 1))


@pytest.mark.parametrize(
    ("divergence", "direction"),
    [("reverse_cross_entropy", "reverse"), ("cross_entropy", "forward"), ("collision_cross_entropy", "backward")],
)
def test_a_pair_that_has_no_em_is_refused_with_those_that_have(divergence, direction):
    with pytest.raises(ValueError, match=f"'{divergence}' with direction='{direction}' has no EM here; use divergence"):
        ExpectationMaximization(divergence=divergence, direction=direction)


@pytest.mark.parametrize(("dtype", "accuracy"), [(torch.float64, 2e-14), (torch.float32, 2e-6)])
def test_wright_omega_is_scipys(dtype, accuracy):
    x = torch.linspace(-80, 600, 10_001, dtype=dtype)
    exact = scipy.special.wrightomega(x.double().numpy())
    assert np.allclose(wright_omega(x).numpy(), exact, rtol=accuracy, atol=0)
    for shift in (-0.1, 0.1):
        near = torch.from_numpy(scipy.special.wrightomega(x.double().numpy() - shift)).to(dtype)
        assert np.allclose(wright_omega(x, near).numpy(), exact, rtol=1e-4, atol=0)
