"""GeminiClustering: every model and geometry, what it reports, what it refuses."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from paperlib.data import gaussian_blobs, two_moons
from paperlib.estimators import GeminiClustering
from paperlib.kernels import Kernel, Nystrom, RandomFourierFeatures, graph_hops
from paperlib.losses import gemini, virtual_adversarial_loss
from paperlib.losses.gemini import OBJECTIVES
from paperlib.metrics import adjusted_rand_index, clusters_used
from paperlib.models import MLP

pytest.importorskip("ot")
SHORT = pytest.mark.filterwarnings("ignore:the search stopped before:sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def blobs():
    data = gaussian_blobs(150, 3, spread=0.8, seed=1)
    return data.x.numpy(), data.y.numpy()


@SHORT
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_finds_clear_clusters_on_batches(blobs, objective):
    x, y = blobs
    model = GeminiClustering(
        3, objective=objective, batch_size=50, max_iter=60, learning_rate=0.05, n_init=2, random_state=0
    )
    model.fit(x)
    assert np.isfinite(model.objective_)
    if objective != "chi2_ovo":  # unbounded: the one that single predictions lead astray
        assert adjusted_rand_index(y, model.labels_) > 0.9


@pytest.mark.parametrize("objective", ["kl_ova", "hellinger_ovo", "mmd_ova", "mmd_ovo"])
def test_full_batch_fits_reach_a_stationary_objective_and_say_its_value(blobs, objective):
    x, y = blobs
    model = GeminiClustering(3, objective=objective, random_state=0).fit(x)
    assert adjusted_rand_index(y, model.labels_) > 0.9
    logits = torch.from_numpy(x @ model.coef_.T + model.intercept_)
    geometry = {"features": torch.from_numpy(x)} if objective.startswith("mmd") else {}
    assert model.objective_ == pytest.approx(float(gemini(logits, objective, **geometry)), rel=1e-9)
    assert model.objective_ == model.start_objectives_.max()
    assert model.score(x) == pytest.approx(model.objective_, rel=1e-6)
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    np.testing.assert_allclose(model.predict_proba(x).mean(0), model.marginal_)


@SHORT
@pytest.mark.parametrize(
    "model", ["linear", "mlp", "kernel", "categorical", MLP(2, 3, hidden=(16,), activation="tanh")]
)
@pytest.mark.parametrize("batch_size", [None, 50])
def test_every_model_finds_clear_clusters(blobs, model, batch_size):
    x, y = blobs
    x = (x - x.mean(0)) / x.std()  # a module gets what it is given
    options = {"max_iter": 100, "learning_rate": 0.03, "n_init": 3, "random_state": 0}
    found = GeminiClustering(3, model=model, batch_size=batch_size, **options).fit(x)
    assert adjusted_rand_index(y, found.labels_) > 0.9
    assert np.isfinite(found.objective_)


@SHORT
@pytest.mark.parametrize(
    "kernel",
    ["rbf", "laplacian", "cosine", Kernel("polynomial", degree=2), Nystrom(60), RandomFourierFeatures(100)],
    ids=str,
)
def test_every_kernel_finds_clear_clusters(blobs, kernel):
    x, y = blobs
    model = GeminiClustering(3, objective="mmd_ovo", model="mlp", kernel=kernel, random_state=0).fit(x - x.mean(0))
    assert adjusted_rand_index(y, model.labels_) > (0.5 if kernel == "cosine" else 0.9)
    assert model.score(x - x.mean(0)) == pytest.approx(model.objective_, rel=1e-6)


@SHORT
def test_hops_along_the_data_separate_two_moons_with_a_precomputed_metric():
    data = two_moons(200, noise=0.05, seed=0)
    model = GeminiClustering(
        2,
        objective="wasserstein_ova",
        model="mlp",
        metric="precomputed",
        batch_size=100,
        max_iter=60,
        n_init=2,
        random_state=0,
    ).fit(data.x.numpy(), affinity=graph_hops(data.x).numpy())
    assert adjusted_rand_index(data.y, model.labels_) > 0.95


@SHORT
def test_a_precomputed_kernel_equals_the_kernel(blobs):
    x, _ = blobs
    kernel = Kernel("rbf").scaled_to(torch.from_numpy(x))
    gram = kernel(torch.from_numpy(x), torch.from_numpy(x)).numpy()
    options = {"objective": "mmd_ovo", "batch_size": 50, "max_iter": 3, "random_state": 0}
    one = GeminiClustering(3, kernel=kernel, **options).fit(x)
    other = GeminiClustering(3, kernel="precomputed", **options).fit(x, affinity=gram)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-6)


@SHORT
def test_an_entropic_metric_comes_close_to_the_exact_one(blobs):
    x, y = blobs
    options = {"objective": "wasserstein_ova", "batch_size": 50, "max_iter": 15, "learning_rate": 0.05}
    for entropic in (None, 1.0):
        model = GeminiClustering(3, entropic=entropic, random_state=0, **options).fit(x)
        assert adjusted_rand_index(y, model.labels_) > 0.9


def test_more_clusters_than_there_are_may_stay_empty(blobs):
    x, y = blobs
    model = GeminiClustering(8, objective="mmd_ova", random_state=0).fit(x)
    assert clusters_used(model.labels_) < 8
    assert adjusted_rand_index(y, model.labels_) > 0.8


@SHORT
def test_the_same_random_state_gives_the_same_labels_and_another_other_starts(blobs):
    x, _ = blobs
    for options in ({}, {"batch_size": 40, "max_iter": 4}, {"model": "mlp", "batch_size": 40, "max_iter": 2}):
        one, same, other = (GeminiClustering(3, random_state=s, **options).fit(x) for s in (0, 0, 1))
        np.testing.assert_array_equal(one.predict_proba(x), same.predict_proba(x))
        assert not np.array_equal(one.start_objectives_, other.start_objectives_)


def test_a_module_is_copied_and_drawn_anew_for_each_start(blobs):
    x, _ = blobs
    module = MLP(2, 3, hidden=(4,))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    model = GeminiClustering(3, model=module, n_init=3, random_state=0).fit(x)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert len(set(model.start_objectives_.tolist())) == 3
    assert clone(model).model is not module


@SHORT
def test_adversarial_training_makes_predictions_smoother(blobs):
    x, _ = blobs
    options = {"objective": "kl_ova", "model": "mlp", "batch_size": 50, "max_iter": 80, "learning_rate": 0.02}
    given, roughness = torch.from_numpy(x), []
    for weight in (0.0, 5.0):
        model = GeminiClustering(3, adversarial_weight=weight, n_init=1, random_state=0, **options).fit(x)
        generator = torch.Generator().manual_seed(0)
        roughness.append(virtual_adversarial_loss(model.model_, given, radius=1.0, generator=generator).item())
    assert roughness[1] < 0.5 * roughness[0]


def test_early_stopping_is_on_the_objective(blobs):
    x, _ = blobs
    model = GeminiClustering(3, batch_size=50, max_iter=2000, learning_rate=0.05, tol=1e-4, random_state=0).fit(x)
    assert model.n_iter_ < 2000


def test_partial_fits_go_on_where_they_were(blobs):
    x, y = blobs
    model = GeminiClustering(3, objective="mmd_ovo", learning_rate=0.05, random_state=0)
    values = [model.partial_fit(x[part::3]).objective_ for _ in range(40) for part in range(3)]
    assert model.n_iter_ == 120
    assert values[-1] > values[0]
    assert adjusted_rand_index(y, model.predict(x)) > 0.9


def test_a_partial_fit_after_a_fit_starts_from_its_model(blobs):
    x, _ = blobs
    model = GeminiClustering(3, random_state=0, learning_rate=1e-4).fit(x)
    before = model.predict_proba(x)
    model.partial_fit(x)
    after = model.predict_proba(x)
    assert 0 < np.abs(after - before).max() < 0.05


def test_a_fitted_estimator_survives_pickling(blobs):
    x, _ = blobs
    for model in ("linear", "mlp", "kernel"):
        fitted = GeminiClustering(3, model=model, n_init=1, random_state=0).fit(x)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(x), fitted.labels_)


def test_float32_stays_float32(blobs):
    model = GeminiClustering(3, random_state=0).fit(blobs[0].astype(np.float32))
    assert model.coef_.dtype == model.predict_proba(blobs[0].astype(np.float32)).dtype == np.float32


def test_a_search_that_ran_out_of_iterations_says_so(blobs):
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        GeminiClustering(3, batch_size=50, max_iter=3, random_state=0).fit(blobs[0])


def test_one_cluster_for_all_is_warned_of():
    x = np.zeros((20, 2))
    with pytest.warns(ConvergenceWarning, match="every sample is in one cluster"):
        GeminiClustering(3, random_state=0).fit(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "mmd"}, "objective must be one of 'kl_ova'"),
        ({"model": "tree"}, "model must be one of 'linear'"),
        ({"kernel": "gauss"}, "kernel must be one of 'linear'"),
        ({"metric": "manhattan"}, "metric must be one of 'euclidean'"),
        ({"n_init": 0}, "n_init must be a whole number"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number > 0"),
        ({"entropic": -1.0}, "entropic must be a finite number > 0"),
        ({"adversarial_weight": 1.0}, "give a batch_size"),
        ({"adversarial_weight": 1.0, "batch_size": 10, "model": "categorical"}, "no input to perturb"),
        ({"kernel": "precomputed"}, r"give fit\(X, affinity=...\)"),
        ({"n_clusters": 1000}, "fewer than n_clusters"),
    ],
)
def test_what_is_out_of_range_is_refused(blobs, options, message):
    with pytest.raises(ValueError, match=message):
        GeminiClustering(**options).fit(blobs[0])


def test_an_affinity_that_is_not_asked_for_or_does_not_fit_is_refused(blobs):
    x, _ = blobs
    with pytest.raises(ValueError, match="choose kernel or metric 'precomputed'"):
        GeminiClustering(3).fit(x, affinity=np.eye(150))
    with pytest.raises(ValueError, match=r"affinity must hold finite numbers \[150, 150\]"):
        GeminiClustering(3, kernel="precomputed").fit(x, affinity=np.eye(3))


def test_free_logits_predict_no_other_samples(blobs):
    x, _ = blobs
    model = GeminiClustering(3, model="categorical", random_state=0).fit(x)
    with pytest.raises(ValueError, match="free logits predict no other samples"):
        model.predict(x)
    with pytest.raises(ValueError, match="know one set of samples"):
        model.partial_fit(x)
