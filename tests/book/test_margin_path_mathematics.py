"""What chapter 3's moving figure computes, in a real browser, against ``paperlib.theory``."""

import numpy as np
import pytest

from paperlib.theory import hard_margin, linear_dichotomies, two_class_loss
from paperlib.theory.margin_path import margin_path

pytestmark = pytest.mark.browser

GAMMAS = [1e-1, 1e-2, 1e-4, 1e-16, 1e-64]
SETS = ["the figure's own", *range(4)]


@pytest.fixture(scope="module")
def scope(functions):
    return functions("margin-path")


def points(scope, name):
    """The figure's own points, or twelve random ones, shape [12, 2]."""
    if name == SETS[0]:
        return np.array(scope.evaluate("marginPath.POINTS"))
    return np.random.default_rng(name).normal(size=(12, 2)) * [2, 1.2]


@pytest.mark.parametrize("size", [0.3, 3.0, 30.0, 150.0])
def test_loss_and_gradient_equal_the_librarys(scope, size):
    rng = np.random.default_rng(0)
    for name in SETS:
        x, gamma = points(scope, name), 10 ** rng.uniform(-64, -1)
        theta = rng.normal(size=3) * size
        found = scope.evaluate("a => marginPath.evaluate(...a)", [x.tolist(), theta.tolist(), gamma])
        loss, gradient = two_class_loss(theta[:2], theta[2], x, gamma)
        assert found["loss"] == pytest.approx(loss, rel=1e-12)
        assert found["gradient"] == pytest.approx(gradient.tolist(), rel=1e-10)


def test_a_loss_of_1e_minus_60_keeps_its_digits(scope):
    x = points(scope, SETS[0])
    gap = scope.evaluate("marginPath.gaps(marginPath.POINTS).fair[0]")
    theta = 150 * np.array([*gap["w"], gap["b"]])
    found = scope.evaluate("a => marginPath.evaluate(...a)", [x.tolist(), theta.tolist(), 0])
    loss, gradient = two_class_loss(theta[:2], theta[2], x, 0.0)
    assert 1e-66 < loss < 1e-60
    assert found["loss"] == pytest.approx(loss, rel=1e-12)
    assert found["gradient"] == pytest.approx(gradient.tolist(), rel=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_the_splits_by_a_line_are_the_librarys(scope, name):
    x = points(scope, name)
    found = {tuple(labels) for labels in scope.evaluate("x => marginPath.dichotomies(x)", x.tolist())}
    assert found == {tuple(labels) for labels in linear_dichotomies(x).astype(int).tolist()}


@pytest.mark.parametrize("name", SETS)
def test_the_gap_of_every_split_is_the_librarys(scope, name):
    x = points(scope, name)
    dichotomies = linear_dichotomies(x).astype(int)
    for labels in dichotomies:
        gap = scope.evaluate("a => marginPath.hardMargin(...a)", [x.tolist(), labels.tolist()])
        expected = hard_margin(x, labels)
        assert gap["margin"] == pytest.approx(expected.margin, rel=1e-8)
        assert [*gap["w"], gap["b"]] == pytest.approx([*expected.weight, expected.bias], rel=1e-7, abs=1e-7)
    best = scope.evaluate("x => marginPath.gaps(x)", x.tolist())
    balanced = linear_dichotomies(x, balanced=True)
    assert len(best["fair"]) == len(balanced)
    assert best["fair"][0]["margin"] == pytest.approx(max(hard_margin(x, labels).margin for labels in balanced))


@pytest.mark.parametrize("name", SETS)
def test_the_minimisers_are_the_librarys(scope, name):
    x = points(scope, name)
    expected = margin_path(x, GAMMAS)
    for i, gamma in enumerate(GAMMAS):  # each without the help of its neighbours
        found = scope.evaluate("([x, gamma]) => marginPath.solve(x, gamma, marginPath.gaps(x))", [x.tolist(), gamma])
        assert found["loss"] == pytest.approx(expected.loss[i], rel=1e-8)
        assert found["ratio"] == pytest.approx(expected.margin_ratio[i], abs=1e-5)
        assert found["angle"] == pytest.approx(expected.angle[i], abs=1e-3, nan_ok=True)
        assert found["growth"] == pytest.approx(expected.norm[i] / expected.theoretical_norm[i], abs=1e-5)


def test_the_widest_unfair_gap_is_wider_than_the_widest_fair_one(scope):
    best = scope.evaluate("marginPath.gaps(marginPath.POINTS)")
    assert best["unfair"]["margin"] > 1.2 * best["fair"][0]["margin"]
    assert sum(best["unfair"]["labels"]) in (1, 11)
    assert sum(best["fair"][0]["labels"]) == 6


def test_the_margin_grows_as_gamma_falls_and_its_shortfall_halves_when_gamma_is_squared(scope):
    solve = "e => marginPath.solve(marginPath.POINTS, 10 ** -e, marginPath.gaps(marginPath.POINTS)).ratio"
    ratios = np.array([scope.evaluate(solve, exponent) for exponent in (1, 2, 4, 8, 16, 32, 64)])
    assert (np.diff(ratios) > 0).all()
    assert (1 - ratios[-2:]) / (1 - ratios[-3:-1]) == pytest.approx(0.5, abs=0.1)


def test_where_no_split_is_even_the_most_even_ones_count_as_fair(scope):
    x = [[0, 0]] * 7 + [[3, 1], [3, -1], [4, 0], [4, 2], [5, 1]]
    best = scope.evaluate("x => marginPath.gaps(x)", x)
    assert all(sum(gap["labels"]) == 5 for gap in best["fair"])
    found = scope.evaluate("x => marginPath.solve(x, 1e-4, marginPath.gaps(x))", x)
    assert found["ratio"] > 0.8
