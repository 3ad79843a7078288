"""The counterexample is certified where it is one, and refused everywhere else."""

import numpy as np
import pytest

from paperlib.data import gaussian_blobs, two_strips
from paperlib.theory import certify_counterexample, exact_two_means, two_class_loss

DATA = {"strips": two_strips(), "sheared strips": two_strips(shear=1.5)}
on_both = pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())


def same_split(a, b):
    return (np.asarray(a) == np.asarray(b)).mean() in (0.0, 1.0)


@on_both
@pytest.mark.parametrize("gamma", [1e-2, 1e-3])
def test_it_holds_on_both_data_sets_at_both_prices(data, gamma):
    found = certify_counterexample(data.x, gamma)
    assert found.holds, found.reason
    assert found.lower_bound > found.upper_bound
    assert same_split(found.kmeans_labels, exact_two_means(data.x).labels)
    assert same_split(found.entropy_labels, data.y)
    attained = two_class_loss(found.weight, found.bias, data.x.numpy(), gamma)[0]
    assert attained == pytest.approx(found.upper_bound, abs=1e-12)


def test_it_is_refused_where_the_price_is_so_high_that_both_make_the_same_cut():
    found = certify_counterexample(DATA["strips"].x, 0.05)
    assert not found.holds
    assert same_split(found.entropy_labels, found.kmeans_labels)
    assert found.lower_bound <= found.upper_bound
    assert found.reason == "The least loss found is that of a line with the labels of K-means."


@on_both
def test_wrong_kmeans_labels_are_refused(data):
    wrong = exact_two_means(data.x).labels.copy()
    wrong[0] = 1 - wrong[0]
    for labels in (data.y, wrong):
        found = certify_counterexample(data.x, 1e-2, kmeans_labels=labels)
        assert not found.holds
        assert found.reason == "The labels given are not the optimum of K-means."


def test_kmeans_labels_may_be_swapped_and_have_any_two_names():
    best = exact_two_means(DATA["strips"].x).labels
    for labels in (1 - best, np.where(best, "right", "left")):
        assert certify_counterexample(DATA["strips"].x, 1e-2, kmeans_labels=labels).holds


def test_it_is_refused_on_two_far_groups_where_all_agree():
    data = gaussian_blobs(30, 2, seed=1)
    found = certify_counterexample(data.x, 1e-2)
    assert not found.holds
    assert same_split(found.entropy_labels, data.y)
    assert same_split(found.kmeans_labels, data.y)


def test_it_is_refused_where_kmeans_has_two_optima():
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert certify_counterexample(square, 1e-2).reason.startswith("K-means has several optima")


def test_close_to_the_tie_the_bound_is_made_tighter():
    gamma = 0.0207  # the two losses differ by less than 2e-3 here
    found = certify_counterexample(DATA["strips"].x, gamma, tolerance=0.01)
    assert found.holds, found.reason
    assert found.lower_bound - found.upper_bound < 2e-3


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 1], r"two distinct values, one for each of the 40 points, got shape \[3\] with 2 values"),
        (np.zeros(40), r"got shape \[40\] with 1 values"),
        (np.arange(40), r"got shape \[40\] with 40 values"),
    ],
)
def test_labels_that_are_no_cut_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        certify_counterexample(DATA["strips"].x, 1e-2, kmeans_labels=labels)


def test_units_origin_and_a_constant_feature_change_nothing():
    x = DATA["strips"].x.numpy()
    plain = certify_counterexample(x, 1e-2)
    for points, gamma in ((1e-8 * x, 1e-18), (1e6 * x, 1e10), (x + 1e6, 1e-2)):
        found = certify_counterexample(points, gamma)
        assert found.holds, found.reason
        assert found.upper_bound == pytest.approx(plain.upper_bound, abs=1e-6)
    column = np.column_stack((np.full(8, 5.3), [0, 1, 2, 3, 7, 8, 9, 10.0]))
    assert not certify_counterexample(column, 0.05).holds


def test_without_fairness_it_is_refused():
    with pytest.raises(ValueError, match="fairness_weight must be a finite number > 0, got 0"):
        certify_counterexample(DATA["strips"].x, 1e-2, fairness_weight=0)
