"""Splits by a line, counted against all labelings of few points by exact arithmetic, on general and degenerate sets."""

from fractions import Fraction
from itertools import combinations, combinations_with_replacement, product

import numpy as np
import pytest
import torch

from paperlib.data import two_strips
from paperlib.theory.dichotomies import linear_dichotomies

GRID = np.array(list(product(range(3), range(3))), dtype=float)
ROTATION = np.array([[np.cos(1), np.sin(1)], [-np.sin(1), np.cos(1)]])
NEAR = np.nextafter(1.0, 2.0)


def random_sets():
    rng = np.random.default_rng(0)
    return [rng.standard_normal((n, 2)) for n in (2, 3, 5, 8, 9)]


def degenerate_sets():
    """Rows, grids, equal points, and sets that are degenerate but for the last digit of a float."""
    rng = np.random.default_rng(1)
    sets = [rng.integers(0, 3, (8, 2)).astype(float) for _ in range(6)]
    sets += [two_strips(4, shear=shear).x.numpy() for shear in (0.0, 1.5)]
    sets += [GRID, 0.1 * GRID, GRID @ ROTATION, 1e-160 * GRID, GRID[:, :1] * [1.0, 0.0], np.zeros((4, 2)), -0.0 * GRID]
    sets += [np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2 * NEAR], [-1.0, -NEAR], [3.0, 3.0], [1e150, 1e150], [0.0, 1.0]])]
    return [*sets, (two_strips(4).x.numpy() + 0.1) @ ROTATION, np.array([[1.0, 2.0]])]


def orient(p, q, r):
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def segments_meet(p, q, r, s):
    for axis in (0, 1):
        if max(p[axis], q[axis]) < min(r[axis], s[axis]) or max(r[axis], s[axis]) < min(p[axis], q[axis]):
            return False
    return orient(p, q, r) * orient(p, q, s) <= 0 and orient(r, s, p) * orient(r, s, q) <= 0


def inside(p, a, b, c):
    turns = [orient(a, b, p), orient(b, c, p), orient(c, a, p)]
    return orient(a, b, c) != 0 and (min(turns) >= 0 or max(turns) <= 0)


def by_all_labelings(x):
    """The labelings whose convex hulls are disjoint: no segment meets a segment, no triangle holds a point."""
    points = [tuple(Fraction(value) for value in row) for row in x.tolist()]
    indices = range(len(points))
    pairs = list(combinations_with_replacement(indices, 2))
    clashes = [(u, v) for u, v in product(pairs, pairs) if segments_meet(*(points[i] for i in u + v))]
    clashes += [((i,), t) for i in indices for t in combinations(indices, 3) if inside(*(points[j] for j in (i, *t)))]
    found = set()
    for labels in product((False, True), repeat=len(points) - 1):
        labels = (False, *labels)
        apart = all(
            {labels[i] for i in u} != {a} or {labels[i] for i in v} != {not a}
            for u, v in clashes
            for a in (False, True)
        )
        if any(labels) and apart:
            found.add(labels)
    return found


@pytest.mark.parametrize("x", random_sets() + degenerate_sets())
def test_they_are_the_labelings_with_disjoint_hulls_once_each(x):
    splits = [tuple(row) for row in linear_dichotomies(x).tolist()]
    assert len(splits) == len(set(splits))
    assert set(splits) == by_all_labelings(x)


@pytest.mark.parametrize("n", [2, 3, 10, 57])
def test_in_general_position_there_is_one_for_each_pair_of_points(n):
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    assert len(linear_dichotomies(x)) == n * (n - 1) // 2


@pytest.mark.parametrize("x", [two_strips().x.numpy(), random_sets()[3], np.repeat(random_sets()[3], 2, axis=0)])
def test_the_balanced_ones_are_those_of_all_with_two_halves(x):
    splits = linear_dichotomies(x)
    halves = splits[2 * splits.sum(1) == len(x)]
    assert len(halves) > 0
    assert {*map(tuple, linear_dichotomies(x, balanced=True).tolist())} == {*map(tuple, halves.tolist())}


def test_chunks_of_rotation_centres_change_nothing(monkeypatch):
    whole = linear_dichotomies(GRID)
    monkeypatch.setattr("paperlib.theory.dichotomies._CHUNK", 20)
    assert np.array_equal(linear_dichotomies(GRID), whole)


def test_equal_points_are_never_parted():
    x = np.repeat(GRID, 2, axis=0)
    splits = linear_dichotomies(x)
    assert len(splits) == len(linear_dichotomies(GRID))
    assert np.array_equal(splits[:, ::2], splits[:, 1::2])


@pytest.mark.parametrize("matrix", [[[2.0, 0.0], [0.0, -0.5]], [[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.5], [0.0, 4.0]]])
def test_an_affine_map_changes_nothing(matrix):
    x = (4 * two_strips(8).x.numpy()).round()
    expected = {*map(tuple, linear_dichotomies(x).tolist())}
    assert {*map(tuple, linear_dichotomies(x @ np.array(matrix)).tolist())} == expected


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 3)), r"must have shape \[n, 2\], got \[4, 3\]: .* only in the plane"),
        (np.zeros(4), r"must have shape \[n >= 1, d >= 1\], got \[4\]"),
        (np.zeros((0, 2)), r"got \[0, 2\]"),
        (np.array([[0.0, np.nan], [1.0, 1.0]]), "finite numbers"),
        (np.array([[0.0, 1e200], [1.0, 1.0]]), "at most 1e150; drop rows with NaN, or rescale"),
    ],
)
def test_what_cannot_be_enumerated_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        linear_dichotomies(x)


def test_an_odd_number_of_points_has_no_halves():
    with pytest.raises(ValueError, match="n=9 points, an odd number, and no halves; drop a point"):
        linear_dichotomies(GRID, balanced=True)
