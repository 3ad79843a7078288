"""Soft regularised K-means against its definition, and against K-means in the limit."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from paperlib.data import gaussian_blobs, two_strips
from paperlib.soft_kmeans import (
    final_posteriors,
    soft_assignments,
    soft_kmeans_loss,
    soft_regularized_kmeans,
    weighted_means,
)


@pytest.fixture
def points():
    return np.random.default_rng(0).standard_normal((15, 2)) * [2, 1] + [3, -1]


@pytest.fixture
def q():
    return np.random.default_rng(1).dirichlet(np.ones(3), 15)


def test_the_loss_is_jabis_sums(points, q):
    total = 0.0
    for c in range(3):
        weight = sum(q[i, c] for i in range(15))
        center = sum(q[i, c] * points[i] for i in range(15)) / weight
        for i in range(15):
            total += q[i, c] * np.sum((points[i] - center) ** 2) / (0.7 * 3 * 15) + q[i, c] * math.log(q[i, c]) / 15
    total -= sum(point @ point for point in points) / (0.7 * 3 * 15)
    assert soft_kmeans_loss(points, q, 0.7) == pytest.approx(total, abs=1e-12)


def test_it_is_the_likelihood_of_a_mixture_of_round_gaussians(points):
    found = soft_regularized_kmeans(points, 3, 0.4)
    variance = 0.4 * 3 / 2
    likelihood = 0.0
    for point in points:
        densities = [
            math.exp(-np.sum((point - center) ** 2) / (2 * variance)) / (2 * math.pi * variance)
            for center in found.centers
        ]
        likelihood += math.log(sum(densities) / 3) / 15
    constant = -math.log(3) - math.log(2 * math.pi * variance) - np.mean(np.sum(points**2, 1)) / (0.4 * 3)
    assert found.value == pytest.approx(-likelihood + constant, abs=1e-8)


def test_the_assignment_step_is_what_a_generic_optimiser_finds(points, q):
    centers = weighted_means(points, q)
    squares = ((points[:, None] - centers) ** 2).sum(2)

    def loss(logits):
        p = softmax(logits.reshape(q.shape), axis=1)
        return float((p * squares / (2.0 * 3) + p * np.log(p)).sum() / 15)

    generic = minimize(loss, np.zeros(q.size), method="BFGS", options={"gtol": 1e-9})
    assert np.allclose(soft_assignments(points, centers, 2.0), softmax(generic.x.reshape(q.shape), axis=1), atol=1e-5)


@pytest.mark.parametrize("penalty", [0.05, 0.5, 2])
def test_no_step_goes_uphill(points, q, penalty):
    values = [soft_kmeans_loss(points, q, penalty)]
    for _ in range(30):
        q = soft_assignments(points, weighted_means(points, q), penalty)
        values.append(soft_kmeans_loss(points, q, penalty))
    assert np.all(np.diff(values) <= 1e-12)
    assert values[-1] < values[0] - 1e-3


def test_without_penalty_it_is_k_means():
    x = gaussian_blobs(120, 3, seed=1, spread=3).x.numpy()
    peer = KMeans(3, n_init=20, random_state=0).fit(x)
    found = soft_regularized_kmeans(x, 3, 1e-6, n_init=20)
    order = np.argmin(((found.centers[:, None] - peer.cluster_centers_) ** 2).sum(2), axis=1)
    assert np.array_equal(order[found.labels], peer.labels_)
    scatter = (found.value * 1e-6 * 3 + np.mean(np.sum(x**2, 1))) * 120
    assert scatter == pytest.approx(peer.inertia_, rel=1e-9)


@pytest.mark.parametrize(("shear", "strips_stay"), [(0.0, True), (1.5, False)])
def test_without_penalty_its_fixed_points_are_lloyds(shear, strips_stay):
    strips = two_strips(shear=shear)
    x, labels = strips.x.numpy(), strips.y.numpy()
    centers = [x[labels == c].mean(0) for c in (0, 1)]
    lloyd = [int(np.sum((point - centers[1]) ** 2) < np.sum((point - centers[0]) ** 2)) for point in x]
    step = soft_assignments(x, weighted_means(x, np.eye(2)[labels]), 1e-6)
    assert np.array_equal(step.argmax(1), lloyd)
    assert np.array_equal(lloyd, labels) == strips_stay
    end = soft_regularized_kmeans(x, 2, 1e-6, start=np.eye(2)[labels])
    assert np.array_equal(end.labels, labels) == strips_stay


def test_a_large_penalty_lets_all_centres_fall_together(points):
    found = soft_regularized_kmeans(points, 3, 100.0)
    assert np.allclose(found.centers, points.mean(0), rtol=0, atol=1e-7)
    assert np.allclose(found.q, 1 / 3, rtol=0, atol=1e-7)


def test_centres_part_at_twice_the_largest_variance_over_k(points):
    critical = 2 * np.linalg.eigvalsh(np.cov(points.T, bias=True))[-1] / 3
    spreads = [np.ptp(soft_regularized_kmeans(points, 3, share * critical).centers[:, 0]) for share in (1.05, 0.95)]
    assert spreads[0] < 1e-6
    assert spreads[1] > 0.1


def test_moving_the_data_moves_the_centres_and_changes_the_final_posteriors(points):
    first = np.eye(3)[np.arange(15) % 3]
    here, there = (soft_regularized_kmeans(points + shift, 3, 0.4, start=first) for shift in (0, 50))
    assert np.allclose(here.centers + 50, there.centers, rtol=0, atol=1e-6)
    assert np.allclose(here.q, there.q, rtol=0, atol=1e-7)
    final = [final_posteriors(points + shift, here.q, 0.4).argmax(1) for shift in (0, 50)]
    assert not np.array_equal(*final)


def test_final_posteriors_are_the_softmax_of_the_definition(points, q):
    logits = np.array(
        [
            [q[:, c] @ points / q[:, c].sum() @ point / (0.3 * 3) + math.log(q[:, c].mean()) / 2 for c in range(3)]
            for point in points
        ]
    )
    assert np.allclose(final_posteriors(points, q, 0.3), softmax(logits, axis=1), rtol=0, atol=1e-12)


def test_the_lowest_of_the_starts_is_kept_and_the_seed_decides(points):
    found = soft_regularized_kmeans(points, 4, 0.05, n_init=8, seed=5)
    assert found.value == found.start_values.min()
    assert found.value == pytest.approx(soft_kmeans_loss(points, found.q, 0.05))
    assert np.ptp(found.start_values) > 1e-6
    assert np.array_equal(found.q, soft_regularized_kmeans(points, 4, 0.05, n_init=8, seed=5).q)


def test_stopping_early_is_said_with_the_knob_to_turn(points):
    with pytest.warns(ConvergenceWarning, match="stopped after 1 steps; raise max_iterations or tolerance"):
        assert not soft_regularized_kmeans(points, 3, 0.4, max_iterations=1).converged


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_clusters": 16}, "n_clusters=16 must be 1 to 15, the points"),
        ({"n_init": 0}, "n_init=0 at least 1"),
        ({"penalty": -1.0}, "penalty must be a finite number > 0, got -1.0"),
        ({"start": np.ones((2, 3))}, r"start has shape \[2, 3\]; give \[15, 3\]"),
    ],
)
def test_what_cannot_be_clustered_is_refused(points, change, message):
    with pytest.raises(ValueError, match=message):
        soft_regularized_kmeans(points, **{"n_clusters": 3, "penalty": 0.1} | change)
