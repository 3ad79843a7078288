"""SoftRegularizedKMeans: its loss, its limits, and what it refuses."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import softmax, xlogy
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from paperlib.data import gaussian_blobs
from paperlib.estimators import SoftRegularizedKMeans
from paperlib.metrics import adjusted_rand_index, clustering_accuracy
from paperlib.soft_kmeans import soft_kmeans_loss

BLOBS = gaussian_blobs(300, 3, spread=0.6, seed=1)
X, Y = np.asarray(BLOBS.x), np.asarray(BLOBS.y)


def test_separated_blobs_are_found():
    assert clustering_accuracy(Y, SoftRegularizedKMeans(3, random_state=0).fit_predict(X)) > 0.97


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_the_loss_is_the_one_documented_wherever_the_origin_is(shift):
    model = SoftRegularizedKMeans(3, penalty=0.3, tol=1e-10, random_state=0).fit(X + shift)
    squares = cdist(X + shift, model.cluster_centers_, "sqeuclidean")
    q = softmax(-squares / 0.9, axis=1)
    assert model.loss_ == pytest.approx((q * squares).sum(1).mean() / 0.9 + xlogy(q, q).sum(1).mean(), abs=1e-8)
    assert model.score(X + shift) == pytest.approx(-model.loss_, abs=1e-8)
    np.testing.assert_allclose(model.predict_proba(X + shift), q, atol=1e-9)
    np.testing.assert_allclose(model.cluster_centers_, (q.T @ (X + shift)) / q.sum(0)[:, None], atol=1e-6)


def test_it_is_the_papers_loss_up_to_a_term_of_the_data():
    model = SoftRegularizedKMeans(3, penalty=0.3, tol=1e-10, random_state=0).fit(X)
    paper = soft_kmeans_loss(X, model.predict_proba(X), 0.3)
    assert model.loss_ == pytest.approx(paper + np.square(X).sum(1).mean() / 0.9, abs=1e-8)


def test_a_small_penalty_is_k_means():
    x = np.asarray(gaussian_blobs(300, 4, spread=1.5, seed=0).x)
    model = SoftRegularizedKMeans(4, penalty=1e-4, n_init=10, random_state=0).fit(x)
    kmeans = KMeans(4, n_init=10, random_state=0).fit(x)
    assert adjusted_rand_index(kmeans.labels_, model.labels_) == 1.0
    assert 1e-4 * 4 * model.loss_ == pytest.approx(kmeans.inertia_ / 300, rel=1e-5)


def test_above_the_critical_penalty_all_centres_fall_together_and_it_is_warned_of():
    critical = SoftRegularizedKMeans(3, random_state=0).fit(X).critical_penalty_
    assert critical == pytest.approx(2 * np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1] / 3)
    model = SoftRegularizedKMeans(3, penalty=1.1 * critical, max_iter=5000, tol=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"of 3 clusters are used; lower penalty \(now"):
        model.fit(X)
    np.testing.assert_allclose(model.cluster_centers_, np.tile(X.mean(0), (3, 1)), atol=1e-3)


def test_the_start_of_lowest_loss_wins_and_the_seed_decides_the_starts():
    x = np.asarray(gaussian_blobs(300, 6, spread=2.0, seed=0).x)
    model = SoftRegularizedKMeans(6, n_init=6, random_state=0).fit(x)
    again = SoftRegularizedKMeans(6, n_init=6, random_state=0).fit(x)
    assert model.loss_ == model.start_losses_.min() < model.start_losses_.max()
    assert np.array_equal(model.cluster_centers_, again.cluster_centers_)


def test_stopping_at_max_iter_is_warned_of_in_the_estimators_words():
    with pytest.warns(ConvergenceWarning, match=r"after 1 steps; raise max_iter or tol \(now 1e-06\)"):
        SoftRegularizedKMeans(3, max_iter=1, random_state=0).fit(X)


def test_constant_data_are_survived_and_warned_of():
    with pytest.warns(ConvergenceWarning, match="1 of 2 clusters are used"):
        model = SoftRegularizedKMeans(2, random_state=0).fit(np.full((10, 3), 7.0))
    assert np.isfinite(model.cluster_centers_).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a whole number of at least 1, got 0"),
        ({"n_clusters": 301}, "n_samples=300 is fewer than n_clusters=301"),
        ({"n_init": True}, "n_init must be a whole number"),
        ({"max_iter": 0}, "max_iter must be a whole number"),
        ({"tol": 0.0}, "tol must be a finite number > 0"),
        ({"penalty": math.inf}, "penalty must be a finite number > 0, got inf"),
        ({"penalty": "large"}, "penalty must be a number > 0 or 'auto', got 'large'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SoftRegularizedKMeans(**{"n_clusters": 3, **settings}).fit(X)
