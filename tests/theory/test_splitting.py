"""The split objective against its definition, and its two exact steps against generic optimisers."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime, minimize
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from paperlib.losses import mutual_information_loss
from paperlib.theory.splitting import (
    approximate_assignments,
    exact_assignments,
    exact_softmax,
    minimize_splitting,
    regularized_information_loss,
    splitting_loss,
)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    x, q = rng.standard_normal((12, 2)) + 1, rng.dirichlet(np.ones(3), 12)
    return x, q, rng.standard_normal((3, 2)), rng.standard_normal(3)


def posteriors(x, theta, bias):
    return softmax(x @ theta.T + bias, axis=1)


def test_the_split_objective_is_jabis_sums(problem):
    x, q, theta, bias = problem
    p, n, k = posteriors(x, theta, bias), 12, 3
    by_hand = 0.7 * sum(theta[c] @ theta[c] for c in range(k))
    for c in range(k):
        share = sum(q[i, c] for i in range(n)) / n
        by_hand += share * math.log(share)
        for i in range(n):
            by_hand -= q[i, c] * math.log(p[i, c]) / n
            by_hand += q[i, c] * math.log(q[i, c] / p[i, c]) / n
    assert splitting_loss(x, q, theta, bias, 0.7) == pytest.approx(by_hand, abs=1e-13)


def test_where_assignments_and_posteriors_agree_it_is_regularised_mutual_information(problem):
    x, _, theta, bias = problem
    logits = torch.from_numpy(x @ theta.T + bias)
    expected = float(mutual_information_loss(logits)) - math.log(3) + 0.7 * np.sum(theta**2)
    assert regularized_information_loss(x, theta, bias, 0.7) == pytest.approx(expected, abs=1e-13)
    assert splitting_loss(x, posteriors(x, theta, bias), theta, bias, 0.7) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("size", [0.3, 3.0])
@pytest.mark.parametrize("tilt", [0.0, 2.0])
def test_the_assignment_step_is_what_a_generic_optimiser_finds(problem, size, tilt):
    x, _, theta, _ = problem
    theta, bias = size * theta, np.array([tilt, 0, -tilt])
    q = exact_assignments(log_softmax(x @ theta.T + bias, axis=1))

    def loss(logits):
        return splitting_loss(x, softmax(logits.reshape(q.shape), axis=1), theta, bias, 0.1)

    generic = minimize(loss, np.log(posteriors(x, theta, bias)).ravel(), method="BFGS", options={"gtol": 1e-8})
    assert splitting_loss(x, q, theta, bias, 0.1) <= generic.fun + 1e-12
    assert np.allclose(q, softmax(generic.x.reshape(q.shape), axis=1), rtol=0, atol=1e-4)


def test_the_assignment_step_is_stationary_even_where_a_cluster_has_all_but_vanished(problem):
    x, _, theta, _ = problem
    log_probs = log_softmax(x @ theta.T + np.array([0, 0, -300.0]), axis=1)
    q = exact_assignments(log_probs)
    by_hand = 2 * log_probs - np.log(q.mean(0))
    assert 0 < q[:, 2].max() < 1e-100
    assert np.allclose(np.log(q), log_softmax(by_hand, axis=1), rtol=0, atol=1e-11)


def test_the_error_of_the_assignment_step_halves_or_better(problem):
    x, _, theta, bias = problem
    log_probs = log_softmax(3 * x @ theta.T + bias, axis=1)
    exact = np.log(exact_assignments(log_probs).mean(0))
    here, errors = np.full(3, -math.log(3)), []
    for _ in range(20):
        errors.append(np.abs(here - exact).max())
        here = (here + np.log(softmax(2 * log_probs - here, axis=1).mean(0))) / 2
    assert errors[0] > 0.1
    assert all(after <= before / 2 + 1e-14 for before, after in itertools.pairwise(errors))


def test_the_closed_form_is_exact_for_balanced_symmetric_posteriors_and_only_near_otherwise(problem):
    x, _, theta, bias = problem
    both_ways = log_softmax(np.concatenate([x, -x]) @ np.array([[1.0, 0.3], [-1, -0.3]]).T, axis=1)
    assert np.allclose(approximate_assignments(both_ways), exact_assignments(both_ways), rtol=0, atol=1e-12)
    log_probs = log_softmax(x @ theta.T + bias, axis=1)
    off = np.abs(approximate_assignments(log_probs) - exact_assignments(log_probs)).max()
    assert 1e-3 < off < 0.2
    exact, near = (
        splitting_loss(x, step(log_probs), theta, bias, 0.1) for step in (exact_assignments, approximate_assignments)
    )
    assert near > exact + 1e-6


@pytest.mark.parametrize("penalty", [10, 0.1, 1e-3, 1e-6])
@pytest.mark.parametrize("hard", [False, True])
def test_the_model_step_has_no_slope_left(problem, penalty, hard):
    x, q, _, _ = problem
    q = np.eye(3)[np.arange(12) % 3] if hard else q
    theta, bias = exact_softmax(x, q, penalty)
    p = posteriors(x, theta, bias)
    assert np.allclose(2 / 12 * (p - q).T @ x + 2 * penalty * theta, 0, atol=1e-10)
    assert np.allclose(p.mean(0), q.mean(0), rtol=0, atol=1e-10)
    assert np.allclose(theta.sum(0), 0, atol=1e-9)

    def loss(parameters):
        return splitting_loss(x, q, parameters[:6].reshape(3, 2), parameters[6:], penalty)

    slope = approx_fprime(np.concatenate([theta.ravel(), bias]), loss, 1e-6)
    assert np.allclose(slope, 0, atol=1e-4)


def test_the_model_step_is_scikit_learns_logistic_regression(problem):
    x, _, _, _ = problem
    labels = np.arange(12) % 3
    theta, bias = exact_softmax(x, np.eye(3)[labels], 0.05)
    peer = LogisticRegression(C=1 / (12 * 0.05), tol=1e-12, max_iter=10_000).fit(x, labels)
    assert np.allclose(theta, peer.coef_, rtol=0, atol=1e-5)
    assert np.allclose(bias - bias.mean(), peer.intercept_ - peer.intercept_.mean(), rtol=0, atol=1e-5)


def test_moving_the_data_moves_only_the_bias(problem):
    x, q, _, _ = problem
    theta, bias = exact_softmax(x, q, 0.01)
    shift = np.array([30.0, -7.0])
    moved_theta, moved_bias = exact_softmax(x + shift, q, 0.01)
    assert np.allclose(theta, moved_theta, rtol=0, atol=1e-10)
    assert np.allclose(bias, moved_bias + moved_theta @ shift, rtol=0, atol=1e-8)


def test_alternating_never_goes_uphill_and_ends_where_neither_step_moves(problem):
    x, q, _, _ = problem
    values = []
    for limit in range(1, 8):
        with pytest.warns(ConvergenceWarning, match="stopped after"):
            values.append(minimize_splitting(x, q, 0.05, max_iterations=limit, tolerance=1e-16).value)
    end = minimize_splitting(x, q, 0.05)
    assert np.all(np.diff([*values, end.value]) <= 1e-15)
    assert end.converged
    log_probs = log_softmax(x @ end.theta.T + end.bias, axis=1)
    assert np.allclose(end.q, exact_assignments(log_probs), rtol=0, atol=1e-12)
    again = exact_softmax(x, end.q, 0.05)[0]
    assert splitting_loss(x, end.q, again, exact_softmax(x, end.q, 0.05)[1], 0.05) == pytest.approx(end.value, abs=1e-9)


def test_the_split_minimum_is_below_that_of_mutual_information(problem):
    x, q, _, _ = problem
    end = minimize_splitting(x, q, 0.05)
    assert end.value <= regularized_information_loss(x, end.theta, end.bias, 0.05) + 1e-12


def test_tensors_are_taken_too(problem):
    x, q, _, _ = problem
    assert np.array_equal(exact_softmax(torch.from_numpy(x), torch.from_numpy(q), 0.1)[0], exact_softmax(x, q, 0.1)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": np.ones((12, 2))}, r"a row of probabilities for each of the 12 points, got shape \[12, 2\]; for labels"),
        ({"q": np.full((3, 2), 0.5)}, r"for each of the 12 points, got shape \[3, 2\]"),
        ({"q": np.eye(3)[np.zeros(12, int)]}, "cluster 1 of q is empty, and its bias would be minus infinity; drop it"),
        ({"penalty": 0.0}, "penalty must be a finite number > 0, got 0.0"),
        ({"penalty": 1e-30}, "penalty=1e-30 is lost in rounding beside a variance of .*; give at least 1e-12 of that"),
        ({"x": np.full((12, 2), np.nan)}, "x must hold finite numbers"),
    ],
)
def test_what_is_no_problem_is_refused(problem, change, message):
    given = {"x": problem[0], "q": problem[1], "penalty": 0.1} | change
    with pytest.raises(ValueError, match=message):
        exact_softmax(**given)
