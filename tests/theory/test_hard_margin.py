"""The widest margin against pairs and edges in the plane, against scikit-learn, and its certificate by definition."""

import numpy as np
import pytest
import torch
from sklearn.svm import SVC

from paperlib.data import two_strips
from paperlib.theory.dichotomies import linear_dichotomies
from paperlib.theory.hard_margin import hard_margin


def separable(seed, n=30, d=2, gap=0.3):
    """A cloud cut by a random plane, its two sides moved apart."""
    rng = np.random.default_rng(seed)
    x, normal = rng.standard_normal((n, d)), rng.standard_normal(d)
    normal /= np.linalg.norm(normal)
    labels = (x @ normal > 0.2).astype(int)
    return x + gap * (2 * labels - 1)[:, None] * normal, labels


def margin_by_pairs_and_edges(x, labels):
    """In the plane the widest gap is square to a pair of points or to an edge between two of one class."""
    first, second = x[labels == 1], x[labels == 0]
    normals = [p - q for p in first for q in second]
    normals += [(p - q) @ [[0, 1], [-1, 0]] for side in (first, second) for p in side for q in side]
    normals = [sign * normal / np.linalg.norm(normal) for normal in normals if normal.any() for sign in (-1, 1)]
    return max((first @ normal).min() - (second @ normal).max() for normal in normals) / 2


@pytest.mark.parametrize("seed", range(8))
def test_in_the_plane_it_is_the_best_of_all_pairs_and_edges(seed):
    x, labels = separable(seed, n=14, gap=0.1)
    assert hard_margin(x, labels).margin == pytest.approx(margin_by_pairs_and_edges(x, labels), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_the_certificate_holds_by_definition(d):
    x, labels = separable(d, n=60, d=d)
    found = hard_margin(x, labels)
    signed = (2 * labels - 1) * (x @ found.weight + found.bias)
    assert signed.min() == pytest.approx(1, abs=1e-9)
    assert found.margin == pytest.approx(1 / np.linalg.norm(found.weight), rel=1e-9)
    assert found.margin <= found.upper_bound
    assert found.gap == pytest.approx(found.upper_bound / found.margin - 1, abs=1e-15)
    assert 0 <= found.gap <= 1e-9
    assert set(found.support) == set(np.nonzero(signed < 1 + 1e-6)[0])
    assert {0, 1} == set(labels[found.support])


@pytest.mark.parametrize(("seed", "d"), [(0, 2), (1, 2), (2, 5), (3, 12)])
def test_scikit_learn_with_a_large_price_of_errors_agrees(seed, d):
    x, labels = separable(seed, n=40, d=d)
    found = hard_margin(x, labels)
    machine = SVC(kernel="linear", C=1e8, tol=1e-8).fit(x, labels)
    assert np.allclose(found.weight, machine.coef_[0], rtol=1e-4, atol=1e-4 * np.linalg.norm(found.weight))
    assert found.bias == pytest.approx(machine.intercept_[0], abs=1e-4 * np.linalg.norm(found.weight))


def test_every_split_of_a_cloud_gets_a_certificate():
    x = np.random.default_rng(5).standard_normal((25, 2))
    for labels in linear_dichotomies(x):
        assert hard_margin(x, labels).gap <= 1e-9


def test_between_two_strips_the_margin_is_half_the_gap():
    strips = two_strips(half_gap=0.75, shear=1.5)
    found = hard_margin(strips.x, strips.y)
    assert found.margin == pytest.approx(0.75, rel=1e-12)
    assert np.allclose(found.weight, [0, 1 / 0.75], rtol=0, atol=1e-12)
    assert len(found.support) == 40


def test_turned_scaled_and_moved_data_turn_scale_and_move_the_plane():
    x, labels = separable(4, d=3)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    shift = np.array([100.0, -30.0, 7.0])
    before, after = hard_margin(x, labels), hard_margin(5 * x @ rotation + shift, labels)
    assert after.margin == pytest.approx(5 * before.margin, rel=1e-9)
    assert np.allclose(after.weight, before.weight @ rotation / 5, rtol=0, atol=1e-8)
    assert after.bias == pytest.approx(before.bias - after.weight @ shift, abs=1e-7)
    assert np.array_equal(after.support, before.support)


def test_the_larger_label_is_the_positive_side_whatever_the_labels_are():
    x, labels = separable(6)
    before = hard_margin(x, labels)
    named = hard_margin(torch.from_numpy(x), np.where(labels == 1, "right", "left"))
    swapped = hard_margin(x, 1 - labels)
    assert np.array_equal(named.weight, before.weight)
    assert np.allclose(swapped.weight, -before.weight, rtol=1e-9)
    assert swapped.bias == pytest.approx(-before.bias, rel=1e-9)


def test_duplicated_points_change_nothing_but_their_number():
    x, labels = separable(7)
    once, twice = hard_margin(x, labels), hard_margin(np.vstack((x, x)), np.append(labels, labels))
    assert np.allclose(twice.weight, once.weight, rtol=1e-9)
    assert len(twice.support) == 2 * len(once.support)


def test_two_points_are_parted_half_way():
    found = hard_margin([[0.0, 0.0], [3.0, 4.0]], [0, 1])
    assert found.margin == pytest.approx(2.5)
    assert np.allclose(found.weight, [0.24, 0.32])
    assert found.bias == pytest.approx(-1)


def test_a_narrow_gap_is_certified_too():
    near = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1e-5], [1.0, 1.0 + 1e-5]])
    assert hard_margin(near, [0, 0, 1, 1]).margin == pytest.approx(0.5e-5 / np.sqrt(2), rel=1e-8)


@pytest.mark.parametrize(
    ("x", "labels"),
    [
        ([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]], [0, 0, 1, 1]),
        ([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]], [0, 0, 1]),
        ([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [2.0, 0.0]], [0, 0, 1, 1]),
        ([[0.1, 0.1], [0.3, 0.3], [0.2, 0.2], [5.0, 0.0]], [0, 0, 1, 1]),
        (np.zeros((2, 2)), [0, 1]),
    ],
)
def test_crossing_and_touching_classes_are_refused(x, labels):
    with pytest.raises(ValueError, match=r"not linearly separable: .* give labels that some plane separates"):
        hard_margin(x, labels)


def test_labels_that_do_not_fit_are_refused():
    x = np.eye(3)
    with pytest.raises(ValueError, match=r"labels must have shape \[3\], one for each row of x, got \[2\]"):
        hard_margin(x, [0, 1])
    with pytest.raises(ValueError, match=r"labels must take two values, one for each side, got \[0, 1, 2\]"):
        hard_margin(x, [0, 1, 2])
    with pytest.raises(ValueError, match="finite numbers"):
        hard_margin(np.full((2, 2), np.nan), [0, 1])


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7])
def test_close_hulls_with_an_edge_along_the_gap_are_told_apart(distance):
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    x = np.array([[0, 0], [1, 1], [2, 0.3], [0.3, 1 + distance], [1, 1 + distance], [2.5, 2]]) @ turn
    found = hard_margin(x, [0, 0, 0, 1, 1, 1])
    assert found.margin == pytest.approx(distance / 2, rel=1e-6)
    assert found.gap <= 1e-9
