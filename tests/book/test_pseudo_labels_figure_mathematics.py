"""What the figure of the chapter on pseudo-labels computes, in a real browser, against ``paperlib.pseudo_labels``."""

import numpy as np
import pytest
import torch

from paperlib.pseudo_labels import DualNewton, ExpectationMaximization
from paperlib.pseudo_labels.projected_gradient import project_on_simplex

pytestmark = pytest.mark.browser

WEIGHTS = [0.1, 1.0, 3.0, 30.0]
NAMES = ["the figure's own", "soft", "sure", "nearly one-hot"]


@pytest.fixture(scope="module")
def scope(functions):
    return functions("pseudo-labels")


def predictions(scope, name):
    """The figure's own, or a dozen of softmax, the sharpest with entries of 1e-18; shape [12, 3]."""
    if name == NAMES[0]:
        return torch.tensor(scope.evaluate("pseudoLabels.PREDICTIONS"), dtype=torch.float64)
    sharpness = {"soft": 1.0, "sure": 4.0, "nearly one-hot": 20.0}[name]
    logits = sharpness * np.random.default_rng(0).normal(size=(12, 3)) + [1, 0, -1]
    return torch.tensor(logits).softmax(1)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("name", NAMES)
def test_every_iterate_its_value_and_its_gap_are_the_librarys(scope, name, weight):
    probs = predictions(scope, name)
    solve = "([probs, weight]) => pseudoLabels.solve(probs, weight, { tolerance: 1e-300, limit: 40 })"
    path = scope.evaluate(solve, [probs.tolist(), weight])
    assert len(path) == 41
    assert path[0]["targets"] == probs.tolist()
    for t in (1, 2, 3, 4, 5, 7, 12, 40):
        solver = ExpectationMaximization(weight, max_iterations=t, tolerance=1e-300)
        expected = solver.solve(probs, warn=False)
        assert np.allclose(path[t]["targets"], expected.targets, rtol=0, atol=1e-8)
        assert path[t]["value"] == pytest.approx(expected.value, rel=0, abs=1e-8)
        assert path[t]["gap"] == pytest.approx(expected.gap, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("name", NAMES[:3])
def test_the_converged_labels_are_the_librarys_and_its_other_solvers(scope, name, weight):
    probs = predictions(scope, name)
    solve = """([probs, weight]) => {
        const path = pseudoLabels.solve(probs, weight, { tolerance: 1e-18, limit: 20000 });
        return [path.length - 1, path[path.length - 1]];
    }"""
    iterations, end = scope.evaluate(solve, [probs.tolist(), weight])
    assert iterations < 20000
    assert 0 <= end["gap"] <= 1e-18
    for solver in (
        ExpectationMaximization(weight, max_iterations=40000, tolerance=1e-18),
        DualNewton(weight, tolerance=1e-16),
    ):
        expected = solver.solve(probs)
        assert np.allclose(end["targets"], expected.targets, rtol=0, atol=1e-8)
        assert end["value"] == pytest.approx(expected.value, rel=0, abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_the_value_falls_and_never_lies_further_above_the_optimum_than_the_gap_says(scope, name):
    probs = predictions(scope, name)
    path = scope.evaluate("probs => pseudoLabels.solve(probs, 3)", probs.tolist())
    best = DualNewton(3.0, tolerance=1e-12).solve(probs).value
    values, gaps = (np.array([state[key] for state in path]) for key in ("value", "gap"))
    assert (np.diff(values) <= 0).all()
    assert (values - best <= gaps + 1e-12).all()
    assert gaps[-1] <= 1e-5 < gaps[-2]


def test_fair_predictions_are_their_own_labels(scope):
    fair = [[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7]]
    path = scope.evaluate("probs => pseudoLabels.solve(probs, 10)", fair)
    assert [state["targets"] for state in path] == [fair]


def test_the_projection_on_the_simplex_is_the_librarys(scope):
    points = np.random.default_rng(0).normal(1 / 3, 1.0, size=(50, 3))
    points += (1 - points.sum(1, keepdims=True)) / 3
    found = scope.evaluate("points => points.map((p) => pseudoLabels.project(p, 0.01))", points.tolist())
    assert np.allclose(found, project_on_simplex(torch.tensor(points), 0.01), rtol=0, atol=1e-12)
