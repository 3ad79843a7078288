"""paperlib.experiments.choosing_k, its rules, problems and run: how many clusters, small."""

import itertools
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from paperlib.experiments import choosing_k, choosing_k_rules, choosing_k_run, read_rows
from paperlib.experiments.choosing_k import (
    LAPTOP,
    LINEAR,
    METHODS,
    PENALISED,
    ChoosingKConfig,
    Fit,
    agreement,
    cells,
    fit,
    measure,
)
from paperlib.experiments.choosing_k_problems import PROBLEMS, blobs, standardise, without_clusters

CONFIG = ChoosingKConfig()
SETTINGS = {"n_init": 2, "seed": 0}


@pytest.fixture(scope="module")
def three():
    x, y = PROBLEMS["blobs 3, d 2, clear"].draw(0)
    return standardise(x), y


# Rules


def test_the_largest_value_is_the_first_of_equals():
    assert choosing_k_rules.largest([0, 1, 3, 3]) == 2


def test_the_elbow_of_two_straight_pieces_is_where_they_meet():
    assert choosing_k_rules.elbow([1, 2, 3, 4, 5, 6], [0, 3, 6, 6.5, 7, 7.5]) == 2
    assert choosing_k_rules.elbow([1, 2, 6, 10], [0, 1, 5, 5.4]) == 2
    assert choosing_k_rules.elbow([1, 2, 3], [0, 0.5, 2]) == 0


def test_a_curve_is_saturated_at_the_first_fit_that_is_near_enough_its_largest_value():
    assert choosing_k_rules.saturated([0, 5, 9.4, 9.6, 10, 9.9]) == 3
    assert choosing_k_rules.saturated([0, 5, 9.4, 9.6, 10, 9.9], share=0.5) == 1


@pytest.mark.parametrize(
    ("objective", "bound"),
    [("kl_ova", math.log), ("tv_ova", lambda k: 1 - 1 / k), ("hellinger_ova", lambda k: 1 - k**-0.5)],
)
def test_a_value_is_normalised_by_its_bound_and_one_cluster_never_wins(objective, bound):
    numbers = [1, 2, 4, 8]
    values = [0, *(share * bound(k) for share, k in zip((0.7, 0.9, 0.8), numbers[1:], strict=True))]
    assert choosing_k_rules.normalised(numbers, values, objective) == 2


def test_the_last_fit_that_agrees_is_stable_and_one_cluster_always_does():
    assert choosing_k_rules.stable([1, 0.95, 0.5, 0.9, 0.89]) == 3
    assert choosing_k_rules.stable([1, 0.8, 0.7]) == 0
    assert choosing_k_rules.most_stable([1, 0.8, 0.7]) == 1


def test_the_gap_is_that_of_tibshirani_walther_and_hastie():
    rng = np.random.default_rng(0)
    for _ in range(50):
        values, references = np.cumsum(rng.random(8)), np.cumsum(rng.random((5, 8)), 1)
        gaps = [v - np.mean(column) for v, column in zip(values, references.T, strict=True)]
        errors = [math.sqrt(np.mean((column - np.mean(column)) ** 2) * (1 + 1 / 5)) for column in references.T]
        chosen = next((k for k in range(7) if gaps[k] >= gaps[k + 1] - errors[k + 1]), 7)
        assert choosing_k_rules.gap(values, references) == chosen
        assert gaps[choosing_k_rules.largest_gap(values, references)] == pytest.approx(max(gaps))


def test_the_consensus_is_the_partition_nearest_to_the_mean_of_all_co_association_matrices():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = [np.zeros(30, int), *(rng.integers(k, size=30) for k in (2, 3, 4, 5, 6))]
        together = [np.equal.outer(one, one).astype(float) for one in labels[1:]]
        far = [np.square(one - np.mean(together, 0)).sum() for one in together]
        assert choosing_k_rules.consensus(labels) == 1 + int(np.argmin(far))


# Problems


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_has_as_many_classes_as_it_says_and_is_asked_for_that_number(name):
    problem = PROBLEMS[name]
    x, y = problem.draw(0)
    assert x.shape[0] == y.shape[0] == 600
    assert len(np.unique(y)) == problem.n_clusters
    assert problem.numbers[0] == 1
    assert problem.n_clusters in problem.numbers
    assert problem.numbers[-1] >= 1.5 * problem.n_clusters
    assert not np.array_equal(x, problem.draw(1)[0])
    np.testing.assert_array_equal(x, problem.draw(0)[0])


@pytest.mark.parametrize(("d", "apart"), [(2, 6.0), (10, 3.0)])
def test_the_nearest_centres_are_as_many_standard_deviations_apart_as_asked(d, apart):
    x, y = blobs(3, n_clusters=4, n_features=d, apart=apart, n_samples=20_000)
    inside = [x[y == c] for c in range(4)]
    centres, spread = [part.mean(0) for part in inside], np.mean([part.std(0).mean() for part in inside])
    assert pdist(centres).min() / spread == pytest.approx(apart, rel=0.03)


def test_sizes_fall_geometrically_by_the_ratio_asked_for():
    _, y = blobs(0, n_clusters=4, n_features=2, apart=6, ratio=8, n_samples=1500)
    np.testing.assert_allclose(np.sort(np.bincount(y))[::-1], 800 / 2.0 ** np.arange(4), atol=1)


def test_standardised_data_have_no_mean_and_a_total_variance_of_one(three):
    np.testing.assert_allclose(three[0].mean(0), 0, atol=1e-12)
    assert three[0].var(0).sum() == pytest.approx(1)


def test_data_without_clusters_fill_the_box_along_the_principal_axes():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    x = rng.standard_normal((500, 3)) * (9, 3, 1) @ turn + 5
    axes = np.linalg.svd(x - x.mean(0))[2]
    box, filled = ((data - x.mean(0)) @ axes.T for data in (x, without_clusters(x, 0)))
    assert (filled.min(0) >= box.min(0)).all()
    assert (filled.max(0) <= box.max(0)).all()
    np.testing.assert_allclose(filled.std(0), np.ptp(box, axis=0) / math.sqrt(12), rtol=0.1)


# Fits


def test_one_cluster_has_no_objective_and_the_penalised_value_is_information_less_the_price(three):
    one = fit(three[0], 1, "kl_ova, linear", **SETTINGS)
    assert one.value == 0
    assert set(one.predict(three[0][:5])) == {0}
    found = fit(three[0], 4, PENALISED, **SETTINGS, price=1e-3)
    probs = found.model.predict_proba(three[0])
    information = (probs * np.log(probs / probs.mean(0))).sum(1).mean()
    assert found.value == pytest.approx(information - 1e-3 * np.square(found.model.coef_).sum(), abs=1e-6)


def test_thirds_agree_on_what_neither_fit_has_seen():
    seen = {}

    class Spy:
        def __init__(self, part):
            self.part = {tuple(row) for row in part}

        def predict(self, held):
            assert self.part.isdisjoint(map(tuple, held))
            seen[id(self)] = seen.get(id(self), 0) + len(held)
            return (held[:, 0] > 0).astype(int)

    x = np.random.default_rng(0).standard_normal((90, 2))
    assert agreement(x, lambda part, k: Fit(0.0, np.zeros(1), Spy(part)), [2], 0) == [1.0]
    assert sorted(seen.values()) == [60, 60, 60]  # each on the two thirds that it has not seen


def test_clear_clusters_agree_and_a_cut_through_a_round_cloud_does_not(three):
    refit = partial(fit, method="mmd_ova, linear", **SETTINGS)
    assert min(agreement(three[0], refit, [1, 3], 0)) > 0.9
    cloud = standardise(PROBLEMS["one Gaussian, d 2"].draw(0)[0])
    assert agreement(cloud, refit, [1, 3], 0)[1] < 0.9


def test_what_rules_say_is_the_number_of_clusters_used_and_some_say_three(three):
    few = replace(PROBLEMS["blobs 3, d 2, clear"], numbers=(1, 2, 3, 4))
    found, circumstances = measure(few, "mmd_ova, linear", CONFIG, 0)
    assert found["gap"] == 3
    assert 3 <= found["emerging"] <= 4
    assert found["largest"] >= 3
    assert found["objective"] <= np.linalg.norm(three[0], axis=1).mean()
    assert circumstances["seconds"] > 0
    assert measure(few, "k-means", CONFIG, 0)[0] == dict.fromkeys(("silhouette", "gap", "largest gap"), 3)
    assert measure(PROBLEMS["one Gaussian, d 2"], "Gaussian mixture", CONFIG, 0)[0] == {"BIC": 1}


def test_no_answer_looks_at_the_classes():
    problem = PROBLEMS["blobs 3, d 2, clear"]
    found = measure(problem, "tv_ova, mlp", CONFIG, 0)[0]
    scrambled = replace(problem, draw=lambda seed: (problem.draw(seed)[0], np.arange(600) % 3))
    other = measure(scrambled, "tv_ova, mlp", CONFIG, 0)[0]
    assert found["emerging"] == other["emerging"]
    assert found["ari"] > other["ari"]


# Cells and the run


def test_each_problem_method_and_seed_is_a_cell():
    found = list(cells(LAPTOP))
    assert len({cell.key for cell in found}) == len(found) == len(PROBLEMS) * len(METHODS) * 5
    assert set(LINEAR) < set(METHODS)
    first = {cell.seed for cell in itertools.islice(found, len(PROBLEMS) * len(METHODS))}
    assert first == {0}  # a run that is stopped has whole seeds


def test_a_run_that_was_stopped_measures_only_what_is_missing(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    arguments = ["--out", str(path), "--size", "smoke", "--methods", "k-means", "--problems"]
    choosing_k_run.main([*arguments, "one Gaussian, d 2"])
    assert {(row.dataset, row.metric) for row in read_rows(path)} == {
        ("one Gaussian, d 2", rule) for rule in ("silhouette", "gap", "largest gap")
    }
    asked = []
    monkeypatch.setattr(
        choosing_k, "measure", lambda problem, *_: asked.append(problem.name) or pytest.fail("measured again")
    )
    choosing_k_run.main([*arguments, "one Gaussian, d 2"])
    assert asked == []
