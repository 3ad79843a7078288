"""The identity between the splitting without its normaliser and soft K-means, and the normaliser itself."""

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import xlogy

from paperlib.data import two_strips
from paperlib.theory.equivalence import normalizer_free_loss, normalizer_free_softmax, soft_kmeans_identity
from paperlib.theory.hard_margin import hard_margin
from paperlib.theory.splitting import splitting_loss


def balanced(q):
    """Rows of probabilities near ``q`` with equal column means, by alternate scaling."""
    for _ in range(2000):
        q = q / q.mean(0)
        q = q / q.sum(1, keepdims=True)
    return q


@pytest.fixture
def x():
    return np.random.default_rng(0).normal([2, 0, -1], 1, (20, 3))


@pytest.fixture
def q():
    return np.random.default_rng(1).dirichlet(np.ones(4), 20)


@pytest.mark.parametrize("penalty", [3.0, 0.7, 0.05])
def test_for_balanced_assignments_it_is_jabis_identity(x, q, penalty):
    found = soft_kmeans_identity(x, balanced(q), penalty)
    assert found.imbalance < 1e-13
    assert found.normalizer_free == pytest.approx(found.soft_kmeans, rel=1e-12)
    assert abs(found.remainder) < 1e-12


@pytest.mark.parametrize("penalty", [3.0, 0.7, 0.05])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_for_any_assignments_it_holds_with_the_remainder(x, penalty, k):
    q = np.random.default_rng(k).dirichlet(np.full(k, 0.3), 20)
    found = soft_kmeans_identity(x, q, penalty)
    assert abs(found.gap) <= 1e-12 * max(1, abs(found.soft_kmeans))
    if k > 1:
        assert found.imbalance > 0.01
        assert abs(found.remainder) > 1e-3
    assert found.splitting == pytest.approx(found.normalizer_free + found.dropped, rel=1e-12)


def test_the_closed_form_minimises_over_theta_where_the_normaliser_is_dropped(x, q):
    theta, bias = normalizer_free_softmax(x, q, 0.3)
    slope = approx_fprime(theta.ravel(), lambda t: normalizer_free_loss(x, q, t.reshape(4, 3), bias, 0.3), 1e-6)
    assert np.allclose(slope, 0, atol=1e-5)


def test_the_bias_is_no_minimiser_but_is_one_under_a_side_condition(x, q):
    theta, bias = normalizer_free_softmax(x, q, 0.3)
    here = normalizer_free_loss(x, q, theta, bias, 0.3)
    assert normalizer_free_loss(x, q, theta, bias + 5, 0.3) == pytest.approx(here - 10)
    assert np.exp(2 * bias).sum() == pytest.approx(1)
    constrained = minimize(
        lambda b: normalizer_free_loss(x, q, theta, b, 0.3),
        np.full(4, -1.0),
        constraints={"type": "eq", "fun": lambda b: np.exp(2 * b).sum() - 1},
        options={"ftol": 1e-14},
    )
    assert np.allclose(constrained.x, bias, rtol=0, atol=1e-5)


def test_the_gradient_of_the_dropped_term_is_that_of_differences_and_of_the_splitting(x, q):
    found = soft_kmeans_identity(x, q, 0.3)

    def dropped(parameters):
        logits = x @ parameters[:12].reshape(4, 3).T + parameters[12:]
        return 2 * np.mean([math.log(sum(math.exp(logit) for logit in row)) for row in logits])

    parameters = np.concatenate([found.theta.ravel(), found.bias])
    assert found.dropped == pytest.approx(dropped(parameters), rel=1e-12)
    slope = approx_fprime(parameters, dropped, 1e-6)
    assert np.allclose(found.dropped_gradient_theta.ravel(), slope[:12], rtol=0, atol=1e-5)
    assert np.allclose(found.dropped_gradient_bias, slope[12:], rtol=0, atol=1e-5)
    assert found.dropped_gradient_bias.sum() == pytest.approx(2)

    def splitting(theta):
        return splitting_loss(x, q, theta.reshape(4, 3), found.bias, 0.3)

    assert np.allclose(slope[:12], approx_fprime(found.theta.ravel(), splitting, 1e-6), rtol=0, atol=1e-5)
    assert np.linalg.norm(found.dropped_gradient_theta) > 0.1


@pytest.mark.parametrize("penalty", [100.0, 1.0, 0.01])
def test_what_is_dropped_is_at_least_twice_what_was_gained(x, q, penalty):
    found = soft_kmeans_identity(x, q, penalty)
    moments = q.T @ x / 20
    share = q.mean(0)
    assert found.dropped >= 2 * np.sum(moments**2) / penalty + xlogy(share, share).sum() - 1e-12
    if np.sum(moments**2) > 2 * penalty * math.log(4):
        assert found.splitting > found.ignorant_splitting
    assert (penalty < 0.1) == (np.sum(moments**2) > 2 * penalty * math.log(4))


def test_the_exact_minimum_is_below_both_the_closed_form_and_ignorance(x, q):
    found = soft_kmeans_identity(x, q, 0.01)
    assert found.exact_splitting < min(found.splitting, found.ignorant_splitting) - 1e-3


def test_norms_and_directions_part_as_the_penalty_fades():
    strips = two_strips(shear=1.5)
    x, labels = strips.x.numpy(), strips.y.numpy()
    normal = hard_margin(x, labels).weight
    angles, margin = [], hard_margin(x, labels).margin
    for penalty in (1e-2, 1e-4, 1e-8):
        found = soft_kmeans_identity(x, np.eye(2)[labels], penalty)
        means = x[labels == 1].mean(0) - x[labels == 0].mean(0)
        assert np.allclose(found.theta[1] - found.theta[0], means / (2 * penalty))
        weight = found.exact_theta[1] - found.exact_theta[0]
        angles.append(math.degrees(math.acos(weight @ normal / np.linalg.norm(weight) / np.linalg.norm(normal))))
        growth = np.linalg.norm(weight) * margin / math.log(1 / penalty)
        assert 0.5 < growth < 1.1
    assert angles[0] > angles[1] > angles[2]
    assert angles[2] < 2
    assert found.cosine == pytest.approx(math.cos(math.radians(45 - angles[2])), abs=1e-6)


def test_moving_the_data_changes_the_remainder_and_not_the_exact_minimum(x, q):
    here, there = (soft_kmeans_identity(x + shift, q, 0.3) for shift in (0, 4))
    assert here.exact_splitting == pytest.approx(there.exact_splitting, abs=1e-10)
    assert abs(here.remainder - there.remainder) > 1
    assert abs(there.gap) < 1e-12 * abs(there.soft_kmeans)


def test_an_empty_cluster_is_refused(x):
    with pytest.raises(ValueError, match="cluster 2 of q is empty"):
        soft_kmeans_identity(x, np.eye(3)[np.arange(20) % 2], 0.1)
