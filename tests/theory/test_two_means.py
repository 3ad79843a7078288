"""The exact two-means against all partitions, against scikit-learn's best of a thousand, and on degenerate sets."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from paperlib.data import gaussian_blobs, two_moons, two_strips
from paperlib.theory.dichotomies import linear_dichotomies
from paperlib.theory.two_means import exact_two_means


def exact_inertia(x, labels):
    """The definition, in fractions: squared distances to the mean of the own cluster."""
    total = Fraction(0)
    for label in set(labels):
        rows = [[Fraction(v) for v in row] for row, own in zip(x.tolist(), labels, strict=True) if own == label]
        centre = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        total += sum((v - c) ** 2 for row in rows for v, c in zip(row, centre, strict=True))
    return total


def fresh_set(seed):
    """Clouds, moons and blobs of 30 to 60 points."""
    n = 30 + 7 * seed % 31
    kind = seed % 4
    if kind == 0:
        return np.random.default_rng(seed).standard_normal((n, 2))
    if kind == 1:
        return np.random.default_rng(seed).uniform(-1, 1, (n, 2)) * [2, 1]
    data = two_moons(n, noise=0.1, seed=seed) if kind == 2 else gaussian_blobs(n, 3, spread=3, seed=seed)
    return data.x.numpy()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_best_of_a_thousand_runs_of_scikit_learn(seed):
    x = fresh_set(seed)
    with threadpool_limits(1):  # sets this small are done fastest by one thread
        best = KMeans(2, init="random", n_init=1000, random_state=seed).fit(x)
    found = exact_two_means(x)
    assert found.inertia <= best.inertia_ * (1 + 1e-12)
    assert found.inertia == pytest.approx(best.inertia_, rel=1e-12)
    agree = found.labels == best.labels_
    assert agree.all() or not agree.any()
    assert found.inertia < found.runner_up


@pytest.mark.parametrize("seed", range(6))
def test_no_partition_whatever_is_better(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((9, 2)) if seed % 2 else rng.integers(0, 4, (9, 2)).astype(float)
    labelings = [[0] + [code >> i & 1 for i in range(8)] for code in range(1, 2**8)]
    least = min(exact_inertia(x, labels) for labels in labelings)
    found = exact_two_means(x)
    assert found.inertia == float(least) == float(exact_inertia(x, found.labels.tolist()))


@pytest.mark.parametrize("x", [two_strips().x, two_strips(shear=1.5).x, two_moons(31).x, fresh_set(0)[:20].round(1)])
def test_optimum_and_runner_up_are_those_of_the_listed_splits(x):
    array = np.asarray(x)
    splits = linear_dichotomies(x)
    ranked = sorted((exact_inertia(array, labels), labels) for labels in splits.astype(int).tolist())
    found = exact_two_means(x)
    assert found.n_dichotomies == len(splits)
    assert found.inertia == float(ranked[0][0])
    assert found.runner_up == float(ranked[1][0])
    assert found.labels.tolist() == ranked[0][1]


@pytest.mark.parametrize("shear", [0.0, 1.5])
def test_k_means_cuts_across_both_strips(shear):
    strips = two_strips(shear=shear)
    found = exact_two_means(strips.x)
    for strip in (0, 1):
        assert 0 < found.labels[strips.y == strip].mean() < 1
    assert found.runner_up < exact_inertia(strips.x.numpy(), strips.y.tolist())


def test_centers_are_the_means_and_label_zero_is_that_of_the_first_point():
    x = fresh_set(3)
    found = exact_two_means(x)
    assert found.labels[0] == 0
    assert found.labels.dtype == np.int64
    for label in (0, 1):
        assert np.allclose(found.centers[label], x[found.labels == label].mean(0), rtol=0, atol=1e-12)


def test_duplicated_data_double_the_inertia():
    x = fresh_set(1)
    once, twice = exact_two_means(x), exact_two_means(np.repeat(x, 2, axis=0))
    assert twice.inertia == pytest.approx(2 * once.inertia, rel=1e-13)
    assert twice.runner_up == pytest.approx(2 * once.runner_up, rel=1e-13)
    assert np.array_equal(twice.labels, np.repeat(once.labels, 2))
    assert twice.n_dichotomies == once.n_dichotomies


@pytest.mark.parametrize("scale", [2.0**-400, 1.0, 2.0**400])
def test_a_power_of_two_as_unit_changes_only_the_unit(scale):
    x = fresh_set(2)
    found, expected = exact_two_means(scale * x), exact_two_means(x)
    assert np.array_equal(found.labels, expected.labels)
    assert found.inertia == scale**2 * expected.inertia


def test_far_from_the_origin_the_winner_is_still_the_right_one():
    x = fresh_set(0)[:12].round(2) + 1e6
    labelings = linear_dichotomies(x).astype(int).tolist()
    assert exact_two_means(x).labels.tolist() == min((exact_inertia(x, labels), labels) for labels in labelings)[1]


def test_a_tie_for_the_optimum_shows_in_the_runner_up():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    found = exact_two_means(square)
    assert found.inertia == found.runner_up == 1.0
    assert found.n_dichotomies == 6


def test_points_on_a_line_are_split_at_the_widest_gap_between_pairs():
    x = np.column_stack(([0.0, 1.0, 5.0, 6.0], [0.0, 2.0, 10.0, 12.0]))
    found = exact_two_means(x)
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert (found.inertia, found.n_dichotomies) == (5.0, 3)


@pytest.mark.parametrize("x", [[[0.0, 1.0], [2.0, 3.0]], [[0.0, 1.0], [2.0, 3.0], [2.0, 3.0]]])
def test_two_places_leave_one_split_and_no_runner_up(x):
    found = exact_two_means(torch.tensor(x))
    assert (found.inertia, found.runner_up, found.n_dichotomies) == (0.0, math.inf, 1)
    assert found.labels.tolist() == [0, 1, 1][: len(x)]


def test_chunks_change_nothing(monkeypatch):
    x = fresh_set(1)
    expected = exact_two_means(x)
    monkeypatch.setattr("paperlib.theory.dichotomies._CHUNK", 3 * len(x))
    found = exact_two_means(x)
    assert (found.inertia, found.runner_up, found.n_dichotomies) == (
        expected.inertia,
        expected.runner_up,
        expected.n_dichotomies,
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((5, 3)), "only in the plane"),
        (np.zeros((1, 2)), "1 points but only one place; two clusters need two different points"),
        (np.ones((4, 2)), "4 points but only one place"),
        (np.full((3, 2), np.inf), "finite numbers"),
    ],
)
def test_what_has_no_two_clusters_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        exact_two_means(x)
