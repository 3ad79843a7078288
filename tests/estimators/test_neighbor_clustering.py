"""NeighborClustering: what it optimises, how it chooses a head, and what it refuses."""

import warnings

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from paperlib.data import gaussian_blobs, load
from paperlib.estimators import NeighborClustering
from paperlib.estimators.neighbor_clustering import ENTROPY_WEIGHTS, METRICS
from paperlib.losses import (
    cluster_contrastive_loss,
    invariant_information_loss,
    scan_loss,
    temi_loss,
)
from paperlib.metrics import clustering_accuracy
from paperlib.training import Crlc

BLOBS = gaussian_blobs(300, 3, spread=0.6, seed=1)
X, Y = np.asarray(BLOBS.x), np.asarray(BLOBS.y)
OBJECTIVES = tuple(ENTROPY_WEIGHTS)


def small(**settings):
    return NeighborClustering(
        3,
        **{"metric": "euclidean", "epochs": 15, "n_heads": 4, "batch_size": 100, "random_state": 0, **settings},
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_separated_blobs_are_found(objective):
    assert clustering_accuracy(Y, small(objective=objective).fit_predict(X)) > 0.97


def directions(n=60):
    """Three directions in space, at lengths that say nothing."""
    random = np.random.default_rng(0)
    labels = np.arange(3 * n) % 3
    return labels, random.lognormal(size=(3 * n, 1)) * (np.eye(3)[labels] + 0.1 * random.normal(size=(3 * n, 3)))


def test_by_cosine_lengths_play_no_part():
    labels, x = directions()
    model = small(metric="cosine", batch_size=60, n_neighbors=5).fit(x)
    assert clustering_accuracy(labels, model.labels_) == 1.0
    np.testing.assert_allclose(model.predict_proba(7 * x), model.predict_proba(x))


DOCUMENTED = {
    "scan": lambda a, b: scan_loss(a, b, entropy_weight=2.0),
    "temi": temi_loss,
    "crlc": lambda a, b: Crlc("log_dot", 2.0, feature_weight=0.0)(torch.stack([a, b])),
    "crlc_prior": lambda a, b: Crlc("log_dot_prior", 2.0, feature_weight=0.0)(torch.stack([a, b])),
    "iic": lambda a, b: invariant_information_loss(a, b, marginal_weight=2.0),
    "cluster_contrast": cluster_contrastive_loss,
}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("metric", METRICS)
def test_the_loss_is_the_one_documented(objective, metric):
    x = directions()[1]
    settings = {"entropy_weight": 2.0, "metric": metric, "n_neighbors": 3, "epochs": 10}
    model = small(objective=objective, **settings).fit(x)
    points = x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "cosine" else x
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(1)[:, :3]
    logits = torch.from_numpy(points @ model.coef_.T + model.intercept_)
    losses = [DOCUMENTED[objective](logits, logits[column]).item() for column in nearest.T]
    assert model.loss_ == pytest.approx(np.mean(losses), abs=1e-9)
    assert model.score(x) == pytest.approx(-model.loss_, abs=1e-9)
    np.testing.assert_allclose(model.predict_proba(x), softmax(logits.numpy(), axis=1), atol=1e-12)
    np.testing.assert_allclose(model.marginal_, model.predict_proba(x).mean(0), atol=1e-9)


def test_the_head_of_lowest_loss_is_kept_and_labels_play_no_part():
    x = np.asarray(gaussian_blobs(300, 6, spread=1.0, seed=0).x)
    model = NeighborClustering(6, metric="euclidean", epochs=20, batch_size=50, random_state=0).fit(x)
    assert model.head_losses_.shape == (10,)
    assert model.loss_ == model.head_losses_.min() < model.head_losses_.max()
    told = clone(model).fit(x, np.zeros(300))
    assert np.array_equal(told.coef_, model.coef_)


def test_the_seed_decides_and_training_leaves_the_global_one_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, again, other = (small(epochs=2, random_state=seed).fit(X) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(first.coef_, again.coef_)
    assert not np.array_equal(first.coef_, other.coef_)


def test_float32_stays_float32():
    model = small(epochs=2).fit(X.astype(np.float32))
    assert model.coef_.dtype == model.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert small(epochs=2).fit(X).coef_.dtype == np.float64


def test_shift_and_scale_of_the_data_change_nothing_by_euclidean_distance():
    model, moved = small().fit(X), small().fit(100 * X + 1000)
    np.testing.assert_allclose(moved.predict_proba(100 * X + 1000), model.predict_proba(X), atol=1e-6)


def test_a_larger_entropy_weight_makes_shares_more_equal():
    x = np.concatenate([X[Y == 0], X[Y == 1][:20]])
    shares = [
        NeighborClustering(2, metric="euclidean", entropy_weight=weight, batch_size=60, epochs=30, random_state=0)
        .fit(x)
        .marginal_.max()
        for weight in (1.0, 20.0)
    ]
    assert shares[1] < shares[0] - 0.05


def test_few_samples_are_each_others_neighbours():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = small(n_neighbors=20, epochs=3).fit(X[:6])
    assert model.labels_.shape == (6,)


def test_unused_clusters_are_warned_of():
    with pytest.warns(ConvergenceWarning, match=r"of 40 clusters are used; raise epochs \(now 1\)"):
        NeighborClustering(40, metric="euclidean", epochs=1, n_heads=1, random_state=0).fit(X)


def test_on_digits_it_is_better_than_k_means_for_each_of_two_seeds():
    data = load("digits")
    x, y = data.x.numpy(), data.y.numpy()
    kmeans = max(clustering_accuracy(y, KMeans(10, n_init=10, random_state=s).fit(x).labels_) for s in range(2))
    for seed in range(2):
        model = NeighborClustering(10, objective="temi", n_heads=5, epochs=30, random_state=seed).fit(x)
        assert clustering_accuracy(y, model.labels_) > kmeans


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a whole number of at least 1, got 0"),
        ({"n_clusters": 301}, "n_samples=300 is fewer than n_clusters=301"),
        ({"objective": "nothing"}, "objective must be one of scan, temi, crlc, crlc_prior, iic, cluster_contrast, got"),
        ({"entropy_weight": -1.0}, "entropy_weight must be a finite number >= 0"),
        ({"metric": "taxicab"}, "metric must be one of cosine, euclidean, got 'taxicab'"),
        ({"n_neighbors": 0}, "n_neighbors must be a whole number"),
        ({"n_heads": 1.5}, "n_heads must be a whole number"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2, got 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        NeighborClustering(**{"n_clusters": 3, **settings}).fit(X)


def test_a_row_of_zeros_has_no_direction_and_does_no_harm():
    labels, x = directions()
    model = small(metric="cosine", batch_size=60, n_neighbors=5).fit(np.vstack([x, np.zeros(3)]))
    assert clustering_accuracy(labels, model.labels_[:-1]) == 1.0
    np.testing.assert_allclose(model.predict_proba(np.zeros((1, 3))), softmax(model.intercept_)[None])
