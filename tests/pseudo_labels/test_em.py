"""EM for pseudo-labels: against a generic optimiser, the optimality conditions, and its own certificate."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import predictions, reverse_optimum, uniform
from sklearn.exceptions import ConvergenceWarning

from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.pseudo_labels.em import duality_gap, objective


def the_papers_own_sum(sigma, y, weight, prior):
    n, k = sigma.shape
    coupling = -sum(float(sigma[i, c]) * math.log(y[i, c]) for i in range(n) for c in range(k)) / n
    return coupling - weight * sum(float(prior[c]) * math.log(sum(y[i, c] for i in range(n)) / n) for c in range(k))


def test_the_value_is_the_papers_sum():
    sigma, prior = predictions(), torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    found = ExpectationMaximization(2.0).solve(sigma, prior=prior)
    assert found.value == pytest.approx(the_papers_own_sum(sigma, found.targets, 2.0, prior), rel=1e-12)


@pytest.mark.parametrize("weight", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("prior", [None, [0.5, 0.3, 0.15, 0.05]])
def test_it_reaches_the_optimum_of_a_generic_optimiser(weight, prior):
    sigma = predictions()
    given_prior = None if prior is None else torch.tensor(prior, dtype=torch.float64)
    found = ExpectationMaximization(weight, max_iterations=100_000, tolerance=1e-10).solve(sigma, prior=given_prior)
    best = reverse_optimum(sigma, weight, uniform(4) if given_prior is None else given_prior)
    assert found.converged
    assert found.value == pytest.approx(best, abs=1e-7)
    assert found.value <= best + found.gap + 1e-9


def test_the_optimality_conditions_hold():
    sigma, weight, prior = predictions(), 3.0, uniform(4)
    y = ExpectationMaximization(weight, max_iterations=100_000, tolerance=1e-13).solve(sigma).targets
    slopes = weight * prior / y.mean(0)
    multipliers = 1 + (y * slopes).sum(1, keepdim=True)
    torch.testing.assert_close(y * (multipliers - slopes), sigma, rtol=0, atol=1e-6)
    torch.testing.assert_close(y.sum(1), torch.ones(30, dtype=torch.float64))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([0.3, 1.0, 5.0]), st.sampled_from([0.5, 3.0, 20.0]))
def test_the_value_never_rises_and_the_gap_always_covers_what_is_left(seed, k, weight, scale):
    sigma, prior = predictions(20, k, seed=seed, scale=scale), uniform(k)
    positive = sigma.clamp_min(1e-150)
    step = ExpectationMaximization(weight, max_iterations=1, tolerance=1e300)
    y, values = sigma, []
    for _ in range(8):
        y = step.solve(sigma, start=y).targets
        values.append(objective(positive, y, weight, prior))
    with warnings.catch_warnings():  # the nearer to the optimum the better, but a tail may be slow
        warnings.simplefilter("ignore", ConvergenceWarning)
        best = ExpectationMaximization(weight, max_iterations=2**11, tolerance=1e-8).solve(sigma, start=y)
    assert np.all(np.diff(values) <= 1e-12)
    assert values[-1] - best.value <= duality_gap(positive, y, weight, prior) + 1e-12
    assert best.gap >= 0


def test_weight_zero_returns_the_predictions_and_a_great_weight_makes_the_marginal_the_prior():
    sigma, prior = predictions(), torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    assert torch.equal(ExpectationMaximization(0.0).solve(sigma).targets, sigma)
    fair = ExpectationMaximization(1e3, max_iterations=100_000, tolerance=1e-4).solve(sigma, prior=prior).targets
    torch.testing.assert_close(fair.mean(0), prior, rtol=0, atol=1e-3)


def test_relabelling_reordering_and_repeating_change_nothing():
    sigma, solver = predictions(), ExpectationMaximization(2.0)
    y = solver.solve(sigma).targets
    torch.testing.assert_close(solver.solve(sigma[:, [3, 1, 0, 2]]).targets, y[:, [3, 1, 0, 2]])
    torch.testing.assert_close(solver.solve(sigma.flip(0)).targets, y.flip(0))
    torch.testing.assert_close(solver.solve(sigma.repeat(2, 1)).targets, y.repeat(2, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_hot_predictions_with_an_empty_cluster_are_solved(dtype):
    sigma = torch.eye(4, dtype=dtype)[torch.arange(60) % 3]  # nobody is in the last cluster
    found = ExpectationMaximization(1.0, tolerance=1e-6).solve(sigma)
    assert found.converged
    assert found.gap <= 1e-6
    # with theta the share moved: 3 clusters keep 1 - theta, and theta maximises (1 + 3/4) ln(1 - theta) + 1/4 ln(theta)
    torch.testing.assert_close(
        found.targets.mean(0)[3].double(), torch.tensor(0.125, dtype=torch.float64), rtol=0, atol=2e-3
    )


def test_a_warm_start_needs_no_more_iterations():
    sigma, solver = predictions(200, 10, scale=5), ExpectationMaximization(10.0, tolerance=1e-6)
    cold = solver.solve(sigma)
    warm = solver.solve(sigma, start=cold.targets)
    assert warm.n_iterations == 1 < cold.n_iterations


def test_float32_finds_what_float64_finds():
    solver = ExpectationMaximization(1.0)
    double, single = solver.solve(predictions()), solver.solve(predictions(dtype=torch.float32))
    assert single.targets.dtype == torch.float32
    torch.testing.assert_close(single.targets.double(), double.targets, rtol=0, atol=1e-5)


def test_stopping_early_warns_once_and_names_the_knob():
    with pytest.warns(
        ConvergenceWarning, match="raise max_iterations or tolerance, or lower fairness_weight"
    ) as caught:
        found = ExpectationMaximization(100.0, max_iterations=2, tolerance=1e-12).solve(predictions(50, 10))
    assert len(caught) == 1
    assert not found.converged
    assert found.gap > 1e-10


def test_no_gradient_flows_through_the_solver():
    logits = torch.randn(5, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))
    assert not ExpectationMaximization().solve(logits.softmax(1)).targets.requires_grad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fairness_weight": -1}, "fairness_weight must be a finite number >= 0"),
        ({"fairness_weight": math.inf}, "got inf"),
        ({"max_iterations": 0}, "max_iterations must be a whole number of at least 1"),
        ({"max_iterations": 2.5}, "got 2.5"),
        ({"tolerance": 0}, "tolerance must be a finite number > 0"),
        ({"tolerance": math.inf}, "tolerance must be a finite number > 0"),
        ({"fairness_weight": "1"}, "got '1'"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExpectationMaximization(**arguments)


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        (torch.tensor([[1.2, -0.2]]), "smallest entry is -0.2"),
        (torch.tensor([[0.9, 0.9]]), "a row sum is off by 0.8"),
        (torch.tensor([[math.nan, 0.5]]), "rows of probabilities"),
        (torch.zeros(3, 0), "k >= 1"),
    ],
)
def test_rows_that_are_no_probabilities_are_refused(probs, message):
    with pytest.raises(ValueError, match=message):
        ExpectationMaximization().solve(probs)


def test_a_start_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"start must have the shape of probs, \[30, 4\], got \[30, 3\]"):
        ExpectationMaximization().solve(predictions(), start=predictions(k=3))
