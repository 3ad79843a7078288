"""The exact labels of MI-ADM against a generic optimiser and the theory's own, and how far its closed form is off."""

import math

import pytest
import torch
from problems import generic_optimum, predictions
from sklearn.exceptions import ConvergenceWarning

from paperlib.pseudo_labels import AlternatingDirection, ClosedFormAlternatingDirection
from paperlib.theory import approximate_assignments, exact_assignments

UNEVEN = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)


def by_the_definition(sigma, y, weight, prior):
    n, k = sigma.shape
    mean = [sum(float(y[i, c]) for i in range(n)) / n for c in range(k)]
    fair = weight * sum(m * math.log(m / float(u)) for m, u in zip(mean, prior, strict=True))
    cross = -sum(float(y[i, c]) * math.log(sigma[i, c]) for i in range(n) for c in range(k)) / n
    held = sum(float(y[i, c]) * math.log(y[i, c] / sigma[i, c]) for i in range(n) for c in range(k)) / n
    return fair + cross + held


@pytest.mark.parametrize("solver", [AlternatingDirection(2.0), ClosedFormAlternatingDirection(2.0)])
def test_the_value_is_the_definition(solver):
    sigma = predictions()
    found = solver.solve(sigma, prior=UNEVEN)
    assert found.value == pytest.approx(by_the_definition(sigma, found.targets, 2.0, UNEVEN), rel=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 8.0])
@pytest.mark.parametrize("prior", [None, UNEVEN])
def test_it_reaches_the_optimum_of_a_generic_optimiser(weight, prior):
    sigma = predictions(tilt=2.0)
    u = torch.full((4,), 0.25, dtype=torch.float64) if prior is None else prior

    def value(log_y):
        y = log_y.exp()
        mean = y.mean(0)
        fair = weight * torch.xlogy(mean, mean / u).sum()
        return fair + (y * (log_y - 2 * sigma.log())).sum(1).mean()

    best, targets = generic_optimum(value, sigma)
    found = AlternatingDirection(weight, tolerance=1e-12).solve(sigma, prior=prior)
    assert found.converged
    assert found.value == pytest.approx(best, abs=1e-9)
    assert torch.allclose(found.targets, targets, rtol=0, atol=1e-4)


def test_at_weight_one_they_are_the_theorys_exact_and_approximate_steps():
    sigma = predictions(60, 5, tilt=1.0)
    exact = AlternatingDirection(tolerance=1e-15).solve(sigma).targets
    assert torch.allclose(exact, torch.from_numpy(exact_assignments(sigma.log().numpy())), rtol=0, atol=1e-9)
    closed = ClosedFormAlternatingDirection().solve(sigma).targets
    assert torch.allclose(closed, torch.from_numpy(approximate_assignments(sigma.log().numpy())), rtol=0, atol=1e-12)


@pytest.mark.parametrize("weight", [0.5, 1.0, 10.0])
def test_the_gap_bounds_what_the_closed_form_and_an_early_stop_lose(weight):
    sigma = predictions(200, 6, tilt=3.0, seed=2)
    best = AlternatingDirection(weight, tolerance=1e-13).solve(sigma).value
    closed = ClosedFormAlternatingDirection(weight).solve(sigma)
    early = AlternatingDirection(weight, max_iterations=1).solve(sigma, warn=False)
    for found in (closed, early):
        assert not found.converged
        assert 1e-9 < found.value - best <= found.gap


@pytest.mark.parametrize("weight", [0.5, 3.0])
def test_each_update_shrinks_the_error_by_the_factor_promised(weight):
    sigma = predictions(100, 5, tilt=3.0)
    target = AlternatingDirection(weight, tolerance=1e-16).solve(sigma, warn=False).targets.mean(0).log()
    log_mean = torch.full((5,), math.log(0.2), dtype=torch.float64)
    for _ in range(15):
        labels = torch.softmax(2 * sigma.log() - weight * log_mean, 1)
        after = log_mean + (labels.mean(0).log() - log_mean) / (1 + weight)
        assert (after - target).abs().max() <= weight / (1 + weight) * (log_mean - target).abs().max() + 1e-9
        log_mean = after


def test_a_warm_start_saves_updates_and_changes_nothing():
    sigma = predictions(200, 6, tilt=3.0)
    cold = AlternatingDirection(5.0, tolerance=1e-12).solve(sigma)
    warm = AlternatingDirection(5.0, tolerance=1e-12).solve(sigma, start=cold.targets)
    assert warm.n_iterations < cold.n_iterations
    assert torch.allclose(warm.targets, cold.targets, rtol=0, atol=1e-6)


@pytest.mark.parametrize("solver", [AlternatingDirection(), ClosedFormAlternatingDirection()])
def test_zeros_stay_zero_and_empty_columns_are_no_trouble(solver):
    sigma = torch.tensor([[0.7, 0.3, 0.0], [0.2, 0.8, 0.0]])
    found = solver.solve(sigma)
    assert (found.targets[:, 2] == 0).all()
    assert math.isfinite(found.value)
    assert torch.allclose(found.targets.sum(1), torch.ones(2))


@pytest.mark.parametrize("solver", [AlternatingDirection(tolerance=1e-6), ClosedFormAlternatingDirection()])
def test_float32_stays_float32_and_is_close_to_float64(solver):
    sigma = predictions(100, 5)
    found = solver.solve(sigma.float())
    assert found.targets.dtype == torch.float32
    assert torch.allclose(found.targets.double(), solver.solve(sigma).targets, rtol=0, atol=1e-3)


def test_stopping_early_warns_and_names_the_knobs():
    with pytest.warns(ConvergenceWarning, match=r"after 1 iterations .* raise max_iterations or tolerance, or lower"):
        AlternatingDirection(50.0, max_iterations=1).solve(predictions(tilt=3.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fairness_weight": -1}, "fairness_weight must be a finite number >= 0, got -1"),
        ({"fairness_weight": math.inf}, "fairness_weight must be a finite number >= 0, got inf"),
        ({"tolerance": 0}, "tolerance must be a finite number > 0, got 0"),
    ],
)
@pytest.mark.parametrize("solver", [AlternatingDirection, ClosedFormAlternatingDirection])
def test_settings_out_of_range_are_refused(solver, settings, message):
    with pytest.raises(ValueError, match=message):
        solver(**settings)


def test_an_iteration_limit_below_one_and_a_start_that_does_not_fit_are_refused():
    with pytest.raises(ValueError, match="max_iterations must be a whole number of at least 1, got 0"):
        AlternatingDirection(max_iterations=0)
    with pytest.raises(ValueError, match=r"start must have the shape of probs, \[30, 4\], got \[29, 4\]"):
        AlternatingDirection().solve(predictions(), start=predictions(29))
