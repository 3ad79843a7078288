"""EntropyClustering: what it optimises, how it chooses, and what it refuses."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from paperlib.data import gaussian_blobs, load, two_strips
from paperlib.estimators import EntropyClustering
from paperlib.estimators.entropy_clustering import INITS, METHODS
from paperlib.information import entropy
from paperlib.losses import fairness_loss, mutual_information_loss, self_labeling_loss
from paperlib.metrics import adjusted_rand_index, clustering_accuracy
from paperlib.pseudo_labels import AlternatingDirection, ExpectationMaximization, Sinkhorn

BLOBS = gaussian_blobs(300, 3, spread=0.6, seed=1)
X, Y = np.asarray(BLOBS.x), np.asarray(BLOBS.y)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("init", INITS)
def test_separated_blobs_are_found(method, init):
    model = EntropyClustering(3, method=method, init=init, n_init=4, fairness_weight=2.0, random_state=0)
    assert clustering_accuracy(Y, model.fit_predict(X)) > 0.97


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("init", ["k-means", "random"])
def test_separated_blobs_are_found_by_mini_batches(method, init):
    model = EntropyClustering(
        3, method=method, init=init, n_init=3, batch_size=100, max_iter=15, fairness_weight=2.0, random_state=0
    )
    assert clustering_accuracy(Y, model.fit_predict(X)) > 0.97


def test_the_loss_is_the_one_documented():
    model = EntropyClustering(3, gamma=0.02, fairness_weight=1.5, n_init=1, random_state=0).fit(X)
    logits = torch.from_numpy(X @ model.coef_.T + model.intercept_)
    penalty = 0.02 * (model.coef_**2).sum()
    information = mutual_information_loss(logits, fairness_weight=1.5).item()
    assert model.loss_ == pytest.approx(information + penalty, abs=1e-9)
    assert model.score(X) == pytest.approx(-information, abs=1e-9)


def cross_entropy_of(logits, y):
    return self_labeling_loss(logits, y, divergence="cross_entropy")


DOCUMENTED = {  # method: its solver, and its loss of logits and targets
    "self_labeling": (
        ExpectationMaximization(2.0, 10_000, 1e-9),
        lambda logits, y: self_labeling_loss(logits, y) + 2.0 * fairness_loss(y.mean(0)),
    ),
    "collision_self_labeling": (
        ExpectationMaximization(2.0, 10_000, 1e-6, divergence="collision_cross_entropy"),
        lambda logits, y: (
            -(logits.softmax(1) * y).sum(1).log().mean() + 2.0 * fairness_loss(y.mean(0), direction="forward")
        ),
    ),
    "mi_adm": (
        AlternatingDirection(2.0, tolerance=1e-12),
        lambda logits, y: (
            2 * cross_entropy_of(logits, y) - entropy(y).mean() + 2.0 * fairness_loss(y.mean(0), direction="reverse")
        ),
    ),
    "sela": (Sinkhorn(10.0), lambda logits, y: cross_entropy_of(logits, y) - entropy(y).mean() / 10),
}


@pytest.mark.parametrize("method", DOCUMENTED)
def test_the_loss_of_every_self_labelling_method_is_the_one_documented(method):
    model = EntropyClustering(3, method=method, gamma=0.02, fairness_weight=2.0, n_init=1, random_state=0).fit(X)
    logits = torch.from_numpy(X @ model.coef_.T + model.intercept_)
    solver, loss = DOCUMENTED[method]
    expected = loss(logits, solver.solve(logits.softmax(1)).targets).item()
    assert model.loss_ == pytest.approx(expected + 0.02 * (model.coef_**2).sum(), abs=2e-4)
    assert model.score(X) == pytest.approx(-expected, abs=2e-4)


@pytest.fixture(scope="module")
def fits_of_every_method():
    x = np.asarray(gaussian_blobs(200, 3, spread=1.5, seed=3).x)
    settings = {"gamma": 0.02, "n_init": 2, "random_state": 0}
    return x, [EntropyClustering(3, method=method, **settings).fit(x) for method in METHODS]


@pytest.mark.parametrize("place", range(len(METHODS)))
def test_every_method_ends_where_its_own_loss_is_lower_than_at_the_others_solutions(fits_of_every_method, place):
    x, fits = fits_of_every_method
    for other in fits:
        logits = torch.from_numpy(x @ other.coef_.T + other.intercept_)
        assert fits[place].loss_ <= fits[place]._judge(logits, None) + 0.02 * (other.coef_**2).sum() + 1e-4


def test_a_continuation_ends_lower_than_the_same_starts_without_it():
    x = np.asarray(load("digits").x)
    gamma = EntropyClustering(10, n_init=1, random_state=0).fit(x).critical_gamma_ / 300
    straight, path = (
        EntropyClustering(10, gamma=gamma, init=init, n_init=4, random_state=0).fit(x)
        for init in ("k-means", "continuation")
    )
    assert path.loss_ < straight.loss_ - 1e-3


@pytest.mark.parametrize("share", [20.0, 29.0])
def test_a_continuation_to_a_large_gamma_is_its_first_start(share):
    gamma = EntropyClustering(3, n_init=1, random_state=0).fit(X).critical_gamma_ / share
    found = [
        EntropyClustering(3, gamma=gamma, init=init, n_init=1, random_state=0).fit(X)
        for init in ("k-means", "continuation")
    ]
    assert adjusted_rand_index(found[0].labels_, found[1].labels_) == 1.0
    assert found[0].loss_ == pytest.approx(found[1].loss_, abs=1e-5)


@pytest.mark.parametrize("batch_size", [None, 60])
def test_the_same_seed_gives_the_same_labels_and_another_seed_another_path(batch_size):
    def fit(seed):
        settings = {"init": "random", "n_init": 2, "max_iter": 5, "batch_size": batch_size}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return EntropyClustering(3, random_state=seed, **settings).fit(X)

    assert np.array_equal(fit(0).coef_, fit(0).coef_)
    assert not np.array_equal(fit(0).coef_, fit(1).coef_)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the legacy state is what must not move
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    EntropyClustering(3, n_init=1, random_state=0).fit(X)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_the_start_of_lowest_loss_wins():
    model = EntropyClustering(5, init="random", n_init=6, gamma=1e-3, random_state=0).fit(X)
    assert len(model.start_losses_) == 6
    assert model.loss_ == model.start_losses_.min()
    assert np.ptp(model.start_losses_) > 1e-4


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_scaling_the_data_and_gamma_together_changes_nothing(factor):
    plain = EntropyClustering(3, gamma=0.01, n_init=2, random_state=0).fit(X)
    scaled = EntropyClustering(3, gamma=0.01 * factor**2, n_init=2, random_state=0).fit(X * factor)
    assert adjusted_rand_index(plain.labels_, scaled.labels_) == 1.0
    assert scaled.loss_ == pytest.approx(plain.loss_, rel=1e-4)
    assert scaled.critical_gamma_ == pytest.approx(plain.critical_gamma_ * factor**2)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_automatic_gamma_follows_the_units_of_the_data(factor):
    plain = EntropyClustering(3, n_init=2, random_state=0).fit(X)
    scaled = EntropyClustering(3, n_init=2, random_state=0).fit(X * factor)
    assert plain.gamma_ == pytest.approx(plain.critical_gamma_ / 30)
    assert scaled.gamma_ == pytest.approx(plain.gamma_ * factor**2)
    assert adjusted_rand_index(plain.labels_, scaled.labels_) == 1.0


def test_shifting_the_data_changes_nothing():
    plain = EntropyClustering(3, gamma=0.01, n_init=2, random_state=0).fit(X)
    moved = EntropyClustering(3, gamma=0.01, n_init=2, random_state=0).fit(X + 1000.0)
    assert adjusted_rand_index(plain.labels_, moved.labels_) == 1.0
    assert moved.loss_ == pytest.approx(plain.loss_, rel=1e-4)


def test_it_separates_the_two_strips_that_k_means_cuts():
    strips = two_strips()
    model = EntropyClustering(2, gamma=2e-3, init="random", n_init=20, random_state=0).fit(np.asarray(strips.x))
    assert clustering_accuracy(strips.y, model.labels_) == 1.0


def test_a_prior_names_the_clusters_by_size():
    blobs = gaussian_blobs(400, 2, spread=0.5, weights=[0.8, 0.2], seed=0)
    x, prior = np.asarray(blobs.x), np.array([0.2, 0.8])
    model = EntropyClustering(2, prior=prior, fairness_weight=3.0, random_state=0).fit(x)
    assert clustering_accuracy(blobs.y, model.labels_) > 0.97
    np.testing.assert_allclose(np.bincount(model.labels_) / 400, prior, atol=0.02)
    np.testing.assert_allclose(model.marginal_, prior, atol=0.05)


def test_above_the_critical_gamma_nothing_is_learnt_and_below_it_something_is():
    model = EntropyClustering(3, init="random", n_init=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"ignores the data: .*lower gamma \(now 100"):
        model.set_params(gamma=100.0).fit(X)
    critical = model.critical_gamma_
    top_variance = np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1]
    assert critical == pytest.approx(top_variance / 6)
    assert model.loss_ == pytest.approx(math.log(3), abs=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert clone(model).set_params(gamma=0.9 * critical).fit(X).loss_ < math.log(3) - 1e-4


def test_fewer_clusters_than_asked_are_warned_of_with_the_knobs():
    with pytest.warns(ConvergenceWarning, match=r"of 12 clusters are used; .*lower gamma \(now"):
        EntropyClustering(12, n_init=1, random_state=0).fit(X)


def test_decisiveness_without_fairness_may_collapse_and_is_warned_of():
    with pytest.warns(ConvergenceWarning, match=r"raise fairness_weight \(now 0\)"):
        EntropyClustering(3, fairness_weight=0.0, init="random", n_init=5, random_state=0).fit(X)


def test_stopping_at_max_iter_is_warned_of():
    with pytest.warns(ConvergenceWarning, match=r"after 2 iterations; raise max_iter \(now 2\)"):
        EntropyClustering(3, max_iter=2, n_init=1, random_state=0).fit(X)


def test_new_samples_are_predicted():
    model = EntropyClustering(3, n_init=2, random_state=0).fit(X[:200])
    proba = model.predict_proba(X[200:])
    assert proba.shape == (100, 3)
    np.testing.assert_allclose(proba.sum(1), 1)
    assert np.array_equal(model.predict(X[200:]), proba.argmax(1))
    assert clustering_accuracy(Y[200:], model.predict(X[200:])) > 0.97


def test_float32_stays_float32_and_agrees():
    single = EntropyClustering(3, n_init=2, random_state=0).fit(X.astype(np.float32))
    double = EntropyClustering(3, n_init=2, random_state=0).fit(X)
    assert single.coef_.dtype == np.float32
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert adjusted_rand_index(single.labels_, double.labels_) == 1.0


def test_tensors_and_read_only_arrays_are_taken_and_not_changed():
    frozen = X.copy()
    frozen.flags.writeable = False
    model = EntropyClustering(3, n_init=1, random_state=0)
    labels = model.fit_predict(frozen)
    assert np.array_equal(clone(model).fit_predict(torch.from_numpy(X)), labels)
    assert np.array_equal(frozen, X)


def test_one_cluster_is_trivial():
    model = EntropyClustering(1, n_init=1, random_state=0).fit(X)
    assert model.loss_ == pytest.approx(0, abs=1e-9)
    assert set(model.labels_) == {0}


@pytest.mark.parametrize("value", [1.0, 1e3, 0.1])
def test_constant_data_are_survived_and_warned_of(value):
    with pytest.warns(ConvergenceWarning, match="X does not vary"):
        model = EntropyClustering(2, init="random", n_init=2, random_state=0).fit(np.full((10, 3), value))
    assert math.isfinite(model.loss_)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.marginal_).all()


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::-1], np.s_[::2]])
def test_any_view_of_an_array_is_taken(view):
    labels = EntropyClustering(3, n_init=1, random_state=0).fit_predict(X[view])
    assert np.array_equal(labels, EntropyClustering(3, n_init=1, random_state=0).fit_predict(X[view].copy()))


def test_data_whose_variance_overflows_are_refused():
    with pytest.raises(ValueError, match="the variance of X overflows float32; divide X by its largest"):
        EntropyClustering(3).fit((X * 1e30).astype(np.float32))


def test_mini_batch_losses_are_those_of_all_samples():
    model = EntropyClustering(3, batch_size=70, max_iter=20, n_init=1, random_state=0).fit(X)
    logits = torch.from_numpy(X @ model.coef_.T + model.intercept_)
    expected = mutual_information_loss(logits).item() + model.gamma_ * (model.coef_**2).sum()
    assert model.loss_ == pytest.approx(expected, abs=1e-9)


def test_the_score_knows_the_prior():
    model = EntropyClustering(3, prior=[0.5, 0.3, 0.2], n_init=1, random_state=0).fit(X)
    logits = torch.from_numpy(X @ model.coef_.T + model.intercept_)
    expected = mutual_information_loss(logits, prior=torch.tensor([0.5, 0.3, 0.2])).item()
    assert model.score(X) == pytest.approx(-expected, abs=1e-6)


def test_pseudo_labels_that_could_not_be_solved_for_are_warned_of():
    x = np.asarray(load("digits").x)[:200]
    settings = {"init": "random", "n_init": 1, "max_iter": 3, "random_state": 0}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        EntropyClustering(10, method="collision_self_labeling", fairness_weight=1e4, **settings).fit(x)
    message = "not solved for to the end at fairness_weight=10000, so the loss is an upper bound; lower fairness_weight"
    assert any(message in str(w.message) for w in caught)


def test_digits_beat_k_means():
    digits = load("digits")
    x = np.asarray(digits.x, dtype=np.float64)
    x /= x.max()
    model = EntropyClustering(10, gamma=1e-3, n_init=5, random_state=0).fit(x)
    kmeans = KMeans(10, n_init=5, random_state=0).fit(x)
    assert clustering_accuracy(digits.y, model.labels_) > clustering_accuracy(digits.y, kmeans.labels_) + 0.02


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a whole number of at least 1, got 0"),
        ({"n_clusters": 2.5}, "n_clusters must be a whole number"),
        ({"n_clusters": True}, "n_clusters must be a whole number"),
        ({"n_init": 0}, "n_init must be a whole number of at least 1, got 0"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2"),
        ({"gamma": -1.0}, "gamma must be a finite number >= 0, got -1.0"),
        ({"gamma": math.nan}, "gamma must be a finite number"),
        ({"gamma": "small"}, "gamma must be a number >= 0 or 'auto', got 'small'"),
        ({"fairness_weight": math.inf}, "fairness_weight must be a finite number"),
        ({"method": "kmeans"}, "method must be one of 'mutual_information', .*'sela', got 'kmeans'"),
        ({"init": "zeros"}, "init must be one of 'k-means', 'random'"),
        ({"sharpness": 0}, "sharpness must be a finite number > 0, got 0"),
        ({"prior": [0.5, 0.5]}, "one entry for each of the 3 clusters"),
        ({"prior": [0.5, 0.6, 0.1]}, "prior must sum to one, got 1.2"),
        ({"prior": [1.5, -0.6, 0.1]}, "positive in every entry"),
        ({"device": "abacus"}, "device='abacus' is not a torch device"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EntropyClustering(**{"n_clusters": 3, **settings}).fit(X)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full((10, 2), np.nan), "contains NaN"),
        (np.full((10, 2), np.inf), "contains infinity"),
        (X[:2], "n_samples=2 is fewer than n_clusters=3"),
        (X[0], "Expected 2D array, got 1D array"),
        (np.array([["a", "b"]] * 5), "could not convert string to float"),
    ],
)
def test_data_that_cannot_be_clustered_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        EntropyClustering(3).fit(data)


def test_predicting_with_other_features_is_refused():
    with pytest.raises(ValueError, match="X has 3 features, but EntropyClustering is expecting 2"):
        EntropyClustering(3, n_init=1, random_state=0).fit(X).predict(np.ones((4, 3)))
