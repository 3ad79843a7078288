"""SparseGeminiClustering: it finds the features that the clusters were made of, whatever the unit."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from paperlib.data import informative_features
from paperlib.estimators import GeminiClustering, SparseGeminiClustering
from paperlib.estimators import sparse_gemini_clustering as module
from paperlib.losses import gemini
from paperlib.metrics import adjusted_rand_index

SIGNAL = [0, 1, 2]


def problem(n_samples=100, n_noise=4, n_clusters=3, separation=3.0):
    """Clusters on a line in the first three features, and noise in the others."""
    data = informative_features(n_samples, n_clusters, n_informative=3, n_noise=n_noise, separation=separation, seed=1)
    return data.x.numpy(), data.y.numpy()


def chosen(model):
    return model.get_support(indices=True).tolist()


@pytest.fixture(scope="module")
def fitted():
    return SparseGeminiClustering(3, objective="mmd_ovo", random_state=0).fit(problem()[0])


@pytest.mark.parametrize(("model", "batch_size"), [("linear", None), ("mlp", None), ("mlp", 60)])
def test_the_features_of_the_clusters_are_found_and_the_clusters_are_no_worse(model, batch_size):
    x, y = problem(120, 9, separation=2.5)
    options = {"objective": "mmd_ovo", "model": model, "batch_size": batch_size, "random_state": 0}
    full = SparseGeminiClustering(3, min_features=12, **options).fit(x)
    sparse = SparseGeminiClustering(3, **options).fit(x)
    assert len(full.path_) == 1
    assert full.get_support().all()
    assert chosen(sparse) == SIGNAL
    before, after = (adjusted_rand_index(y, found.labels_) for found in (full, sparse))
    assert after >= before > 0.8
    assert after > 0.9


@pytest.mark.parametrize("objective", ["kl_ova", "tv_ova", "tv_ovo", "hellinger_ova", "hellinger_ovo", "chi2_ova"])
def test_divergences_find_the_features_of_clusters_far_apart(objective):
    x, y = problem(separation=6.0)
    model = SparseGeminiClustering(3, objective=objective, max_iter=20, random_state=0).fit(x)
    assert chosen(model) == SIGNAL
    assert adjusted_rand_index(y, model.labels_) > 0.9


@pytest.mark.parametrize("objective", ["mmd_ova", "mmd_ovo"])
def test_means_far_apart_find_the_features_of_two_clusters(objective):
    x, y = problem(n_clusters=2)
    model = SparseGeminiClustering(2, objective=objective, max_iter=20, random_state=0).fit(x)
    assert chosen(model) == SIGNAL
    assert adjusted_rand_index(y, model.labels_) > 0.9


def test_wasserstein_distances_find_them_on_batches():
    pytest.importorskip("ot")
    x, y = problem(60, 3)
    options = {"batch_size": 30, "max_iter": 4, "learning_rate": 0.3, "n_init": 1, "random_state": 0}
    model = SparseGeminiClustering(3, objective="wasserstein_ovo", **options).fit(x)
    assert chosen(model) == SIGNAL
    assert adjusted_rand_index(y, model.labels_) > 0.9


def test_gemclus_selects_the_same_features():
    package = pytest.importorskip("gemclus.sparse")
    x, y = problem()
    other = package.SparseLinearMMD(3, ovo=True, max_iter=100, learning_rate=0.03, random_state=0)
    with np.errstate(divide="ignore"):  # theirs
        other.path(x, alpha_multiplier=1.3)
    ours = SparseGeminiClustering(3, objective="mmd_ovo", random_state=0).fit(x)
    assert chosen(ours) == sorted(other.get_selection()) == SIGNAL
    assert adjusted_rand_index(y, ours.labels_) >= adjusted_rand_index(y, other.predict(x)) - 0.02


def test_a_path_gives_up_features_and_never_takes_them_back_on_an_easy_problem(fitted):
    path = fitted.path_
    assert path[0].alpha == 0
    assert path[0].support.all()
    assert path[-1].n_features <= 2
    assert len({step.n_features for step in path}) > 5
    for step, following in pairwise(path):
        assert step.n_features == step.support.sum() > 2
        assert (following.support <= step.support).all()
        assert following.alpha > step.alpha


def test_the_step_with_the_fewest_features_that_keeps_the_share_is_chosen_and_trained_on():
    x, _ = problem()
    for share in (0.5, 0.9, 1.0):
        model = SparseGeminiClustering(3, objective="mmd_ovo", share=share, max_iter=5, random_state=0).fit(x)
        kept = [step for step in model.path_ if step.score >= share * model.path_[0].score]
        fewest = min(step.n_features for step in kept)
        best = max((step for step in kept if step.n_features == fewest), key=lambda step: step.score)
        assert model.alpha_ == best.alpha
        np.testing.assert_array_equal(model.support_, best.support)
        assert model.objective_ > best.score


@pytest.mark.parametrize(("model", "objective"), [("linear", "mmd_ova"), ("linear", "tv_ovo"), ("mlp", "mmd_ova")])
def test_the_objective_is_that_of_the_predictions_on_the_given_samples(model, objective):
    x = 50 + 7 * problem()[0]
    found = SparseGeminiClustering(3, objective=objective, model=model, max_iter=5, random_state=0).fit(x)
    features = torch.from_numpy(x) if objective == "mmd_ova" else None
    expected = gemini(torch.from_numpy(found.predict_proba(x)).log(), objective, features=features).item()
    assert found.objective_ == pytest.approx(expected)
    assert found.score(x) == pytest.approx(expected)
    np.testing.assert_array_equal(found.predict(x), found.labels_)
    np.testing.assert_allclose(found.predict_proba(x).mean(0), found.marginal_)


def test_the_full_model_comes_near_the_objective_of_gemini_clustering():
    x, _ = problem()
    full = SparseGeminiClustering(3, objective="mmd_ovo", min_features=7, random_state=0).fit(5 * x)
    other = GeminiClustering(3, objective="mmd_ovo", random_state=0).fit(5 * x)
    assert full.objective_ == pytest.approx(other.objective_, rel=0.01)


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_predictions_see_the_chosen_features_alone(model):
    x, _ = problem()
    found = SparseGeminiClustering(3, objective="mmd_ovo", model=model, max_iter=5, random_state=0).fit(x)
    assert 0 < found.support_.sum() < 7
    other = x.copy()
    other[:, ~found.support_] += 100
    np.testing.assert_allclose(found.predict_proba(other), found.predict_proba(x), rtol=1e-12)
    np.testing.assert_array_equal(found.transform(x), x[:, found.support_])
    np.testing.assert_array_equal(found.get_feature_names_out(), [f"x{j}" for j in chosen(found)])


def test_the_rows_of_a_linear_model_are_those_of_the_given_samples(fitted):
    x, _ = problem()
    logits = torch.from_numpy(x @ fitted.coef_.T + fitted.intercept_)
    np.testing.assert_allclose(logits.softmax(1), fitted.predict_proba(x), rtol=1e-9)
    np.testing.assert_array_equal((fitted.coef_ != 0).any(0), fitted.support_)


@pytest.mark.parametrize(("objective", "batch_size"), [("mmd_ovo", None), ("tv_ova", None), ("mmd_ovo", 50)])
def test_a_unit_of_two_to_the_tenth_changes_nothing_but_the_unit(objective, batch_size):
    x, _ = problem()
    options = {"objective": objective, "batch_size": batch_size, "max_iter": 5, "random_state": 0}
    one, other = (SparseGeminiClustering(3, **options).fit(unit * x) for unit in (1, 1024))
    factor = 1024 if objective == "mmd_ovo" else 1
    for step, larger in zip(one.path_, other.path_, strict=True):
        assert (larger.alpha, larger.score) == (factor * step.alpha, factor * step.score)
        np.testing.assert_array_equal(larger.support, step.support)
    np.testing.assert_array_equal(one.labels_, other.labels_)


def test_another_unit_or_origin_selects_the_same_features():
    x, _ = problem()
    options = {"objective": "mmd_ovo", "max_iter": 8, "random_state": 0}
    supports = [SparseGeminiClustering(3, **options).fit(given).support_ for given in (x, 1000 * x, 1e-6 * x + 5e-4)]
    assert supports[0].sum() < 7
    for support in supports[1:]:
        np.testing.assert_array_equal(support, supports[0])


def test_the_same_random_state_gives_the_same_path_and_another_another():
    x, _ = problem()
    for options in ({"max_iter": 5}, {"model": "mlp", "batch_size": 50, "max_iter": 2}):
        one, same, other = (SparseGeminiClustering(3, random_state=s, **options).fit(x) for s in (0, 0, 1))
        assert [step.score for step in one.path_] == [step.score for step in same.path_]
        np.testing.assert_array_equal(one.predict_proba(x), same.predict_proba(x))
        assert not np.array_equal(one.predict_proba(x), other.predict_proba(x))


def test_features_of_a_group_come_and_go_together():
    x, _ = problem(100, 5)
    groups = ["a", "b", "b", "c", "c", "a", "d", "d"]
    model = SparseGeminiClustering(3, objective="mmd_ovo", groups=groups, share=0.8, random_state=0).fit(x)
    for step in model.path_:
        kept = {group for group, on in zip(groups, step.support, strict=True) if on}
        assert step.n_features == sum(group in kept for group in groups)
    assert model.support_[1]
    assert model.support_[2]
    assert not model.support_[6:].any()


def test_the_dynamic_objective_sees_the_selected_features_alone(monkeypatch):
    asked = []

    def spy(model, objective, x, *, on_selection, **options):
        asked.append((x * torch.tensor([1, 1, 0, 0, 0, 0, 0]), on_selection(torch.arange(7) < 2).features))
        return path(model, objective, x, on_selection=on_selection, **options)

    path = module.sparse_path
    monkeypatch.setattr(module, "sparse_path", spy)
    x, _ = problem()
    model = SparseGeminiClustering(3, objective="mmd_ovo", dynamic=True, random_state=0).fit(x)
    assert torch.equal(*asked[0])
    assert chosen(model) == SIGNAL
    seen = gemini(torch.from_numpy(model.predict_proba(x)).log(), "mmd_ovo", features=torch.from_numpy(x[:, :3]))
    assert model.objective_ == pytest.approx(seen.item())
    assert model.score(x) == pytest.approx(seen.item())


def test_float32_stays_float32():
    x = problem()[0].astype(np.float32)
    model = SparseGeminiClustering(3, objective="mmd_ovo", random_state=0).fit(x)
    assert model.coef_.dtype == model.predict_proba(x).dtype == model.transform(x).dtype == np.float32
    assert chosen(model) == SIGNAL


def test_a_fitted_estimator_survives_pickling(fitted):
    x, _ = problem()
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(x), fitted.labels_)
    assert again.score(x) == fitted.score(x)


def test_one_cluster_for_all_is_warned_of_unless_it_was_asked_for():
    x, _ = problem(60, 3)
    with pytest.warns(ConvergenceWarning, match="every sample is in one cluster, with 0 features .* raise share"):
        SparseGeminiClustering(3, min_features=0, share=0.0, random_state=0).fit(x)
    model = SparseGeminiClustering(1).fit(x)
    assert len(model.path_) == 1
    assert (model.objective_, model.alpha_) == (0, 0)
    assert model.support_.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "mmd"}, "objective must be one of 'kl_ova', 'tv_ova'.*got 'mmd'$"),
        ({"objective": "chi2_ovo"}, "got 'chi2_ovo': it is unbounded, and a share of it says nothing"),
        ({"model": "kernel"}, "model must be one of 'linear', 'mlp', got 'kernel'"),
        ({"n_clusters": 0}, "n_clusters must be a whole number"),
        ({"n_clusters": 1000}, "fewer than n_clusters"),
        ({"min_features": -1}, "min_features must be a whole number of at least 0"),
        ({"max_iter": 0}, "max_iter must be a whole number"),
        ({"n_init": 0}, "n_init must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number > 0"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2"),
        ({"share": 1.1}, r"share must be between 0 and 1, got 1\.1"),
        ({"model": "mlp", "groups": [0] * 6}, "groups are for the linear model"),
        ({"groups": [0] * 5}, "groups must have one number for each of the 6 columns"),
        ({"objective": "kl_ova", "dynamic": True}, "kl_ova does not see where samples lie; set dynamic=False"),
    ],
)
def test_what_is_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SparseGeminiClustering(**options).fit(problem(60, 3)[0])


def test_samples_that_cannot_be_scaled_are_refused():
    with pytest.raises(ValueError, match="X does not vary"):
        SparseGeminiClustering(2).fit(np.full((20, 3), 0.1))
    with pytest.raises(ValueError, match="the variance of X overflows float32"):
        SparseGeminiClustering(2).fit(1e30 * problem(60, 3)[0].astype(np.float32))


def test_steps_that_blow_up_are_an_error():
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        SparseGeminiClustering(2, objective="kl_ova", learning_rate=1e300, batch_size=30).fit(problem(60, 3)[0])
