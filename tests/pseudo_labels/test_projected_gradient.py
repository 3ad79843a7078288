"""The baseline: its projection against a generic one, its optimum against EM's, and its failure told."""

import math

import numpy as np
import pytest
import torch
from problems import predictions
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from paperlib.pseudo_labels import ExpectationMaximization, ProjectedGradient
from paperlib.pseudo_labels.projected_gradient import project_on_simplex


@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_the_projection_is_the_nearest_row_of_probabilities(floor):
    points = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = project_on_simplex(points, floor)
    assert torch.allclose(found.sum(1), torch.ones(6, dtype=torch.float64), rtol=0, atol=1e-12)
    for point, nearest in zip(points.numpy(), found.numpy(), strict=True):
        generic = minimize(
            lambda y, point=point: ((y - point) ** 2).sum(),
            np.full(4, 0.25),
            method="SLSQP",
            bounds=[(floor, 1)] * 4,
            constraints={"type": "eq", "fun": lambda y: y.sum() - 1},
            options={"ftol": 1e-14},
        )
        assert np.allclose(nearest, generic.x, rtol=0, atol=1e-5)


def test_what_is_a_row_of_probabilities_projects_to_itself():
    sigma = predictions()
    assert torch.allclose(project_on_simplex(sigma), sigma, rtol=0, atol=1e-14)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_with_a_small_step_it_reaches_the_optimum_of_em(weight):
    sigma = predictions(scale=0.7)
    best = ExpectationMaximization(weight, tolerance=1e-9).solve(sigma)
    found = ProjectedGradient(weight, step_size=0.02, tolerance=1e-7).solve(sigma)
    assert found.converged
    assert found.value == pytest.approx(best.value, abs=1e-6)
    assert torch.allclose(found.targets, best.targets, rtol=0, atol=1e-2)


def test_it_takes_many_more_steps_than_em():
    sigma = predictions(200, 5, scale=1.0)
    em = ExpectationMaximization(tolerance=1e-5).solve(sigma)
    assert em.converged
    for step_size in (1e-1, 1e-2, 1e-3):
        found = ProjectedGradient(step_size=step_size, max_iterations=20 * em.n_iterations).solve(sigma, warn=False)
        assert not found.converged
        assert found.gap > 1e-5


def test_a_step_too_large_is_told_by_a_warning():
    with pytest.warns(ConvergenceWarning, match=r"change step_size \(now 10\), or take EM"):
        ProjectedGradient(step_size=10.0, max_iterations=200).solve(predictions())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fairness_weight": -1}, "fairness_weight must be a finite number >= 0, got -1"),
        ({"step_size": 0}, "step_size must be a finite number > 0, got 0"),
        ({"floor": math.inf}, "floor must be a finite number > 0, got inf"),
        ({"max_iterations": 0}, "max_iterations must be a whole number of at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ProjectedGradient(**settings)


def test_a_floor_too_large_for_the_clusters_and_a_start_that_does_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"floor=0\.3 is too large for k=4 clusters; give less than 0\.25"):
        ProjectedGradient(floor=0.3).solve(predictions())
    with pytest.raises(ValueError, match=r"start must have the shape of probs, \[30, 4\], got \[30, 3\]"):
        ProjectedGradient().solve(predictions(), start=predictions(k=3))
