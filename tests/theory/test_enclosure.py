"""The enclosure of the least loss: its table, its bounds on boxes, its rounding, and the minimum it encloses."""

import math

import mpmath
import numpy as np
import pytest

from paperlib.data import two_strips
from paperlib.theory import certified_minimum, enclosure, two_class_loss


@pytest.fixture
def cut():
    """Twelve points, the line between its two halves, and their signs."""
    x = np.random.default_rng(3).standard_normal((12, 2)) + np.repeat([[2, 0.5], [-1, 0]], 6, axis=0)
    line = np.array([1.0, 0.3, -np.median(x @ [1.0, 0.3])])
    return x, line, np.sign(x @ line[:2] + line[2])


def exact_loss(line, x, gamma, fairness_weight):
    """The loss in sixty digits, at the float64 numbers given."""
    with mpmath.workdps(60):
        w, v, b = map(mpmath.mpf, line.tolist())
        shares = [1 / (1 + mpmath.exp(-(w * mpmath.mpf(p) + v * mpmath.mpf(q) + b))) for p, q in x.tolist()]

        def entropy(p):
            return -p * mpmath.log(p) - (1 - p) * mpmath.log(1 - p)

        decisive = sum(map(entropy, shares)) / len(shares)
        fair = mpmath.log(2) - entropy(sum(shares) / len(shares))
        return decisive + mpmath.mpf(fairness_weight) * fair + mpmath.mpf(gamma) * (w * w + v * v)


def test_the_interpolated_entropy_is_never_above_and_tau_is_enclosed():
    entropies, below, above = enclosure._tables()
    t = np.sort(np.random.default_rng(0).uniform(0, 20, 400))
    with mpmath.workdps(40):
        small = [mpmath.exp(-mpmath.mpf(value)) for value in t]
        entropy = [mpmath.log(1 + e) + value * e / (1 + e) for e, value in zip(small, t, strict=True)]
        tau = [(1 - e) / (1 + e) for e in small]
    for value, bound in zip(entropy, enclosure._interpolate(entropies, t) - enclosure._SLACK, strict=True):
        assert value - 2e-5 < bound <= value
    lows, highs = enclosure._interpolate(below, t), enclosure._interpolate(above, t) + enclosure._SLACK
    for value, low, high in zip(tau, lows, highs, strict=True):
        assert value - 2e-5 < low <= value <= high < value + 2e-5


@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4, 0.0])
def test_no_line_of_a_box_loses_less_than_the_bound_of_the_box(cut, size):
    x, line, signs = cut
    cloud, rng = x - x.mean(0), np.random.default_rng(1)
    inside = np.append(line[:2], line[2] + line[:2] @ x.mean(0)) * rng.uniform(0.5, 4, (40, 1))
    halves = size * rng.uniform(0.2, 1, (40, 3))
    centres = inside + halves * rng.uniform(-1, 1, (40, 3))  # so that each box holds a line with these labels
    bounds = enclosure._lower_bounds(centres, halves, cloud, signs, 0.01, 1.5)
    assert np.isfinite(bounds).all()
    for centre, half, bound, known in zip(centres, halves, bounds, inside, strict=True):
        lines = np.vstack((known, centre + half * rng.uniform(-1, 1, (200, 3))))
        allowed = lines[((lines[:, :2] @ cloud.T + lines[:, 2:]) * signs >= 0).all(1)]
        losses = [two_class_loss(v[:2], v[2], cloud, 0.01, fairness_weight=1.5)[0] for v in allowed]
        assert bound <= min(losses)
        assert size or bound > min(losses) - 1e-4, "on a single line the bound is close"


def test_a_box_without_any_such_line_is_dropped(cut):
    x, line, signs = cut
    centre = -np.append(line[:2], line[2] + line[:2] @ x.mean(0))[None]
    assert enclosure._lower_bounds(centre, np.full((1, 3), 1e-3), x - x.mean(0), signs, 0.01, 1.0) == math.inf


@pytest.mark.parametrize("size", [0.1, 1.0, 30.0])
def test_the_upper_bound_is_above_the_exact_loss_and_close(cut, size):
    x, line, _ = cut
    bound = enclosure.loss_upper_bound(size * line[:2], size * line[2], x, 0.01, fairness_weight=1.5)
    exact = exact_loss(size * line, x, 0.01, 1.5)
    assert exact <= bound < exact + 1e-12


@pytest.mark.parametrize(("gamma", "fairness_weight"), [(0.1, 1.0), (0.01, 1.0), (0.01, 0.0), (0.01, 8.0), (1e-4, 1.0)])
def test_the_least_loss_of_a_dense_search_lies_in_the_enclosure(cut, gamma, fairness_weight):
    x, _, signs = cut
    found = certified_minimum(x, signs, gamma, fairness_weight=fairness_weight, tolerance=1e-3)
    assert found.converged
    assert 0 <= found.upper - found.lower <= 1e-3 + 1e-12
    attained = two_class_loss(found.weight, found.bias, x, gamma, fairness_weight=fairness_weight)[0]
    assert attained == pytest.approx(found.upper, abs=1e-12)
    assert (signs * (x @ found.weight + found.bias) >= -1e-12).all()
    least = math.inf
    for angle in np.linspace(0, 2 * np.pi, 181):
        height = x @ [np.cos(angle), np.sin(angle)]
        low, high = height[signs < 0].max(), height[signs > 0].min()
        for norm in np.geomspace(0.1, 60, 40) if low <= high else []:
            for offset in np.linspace(low, high, 7):
                direction = norm * np.array([np.cos(angle), np.sin(angle)])
                value = two_class_loss(direction, -norm * offset, x, gamma, fairness_weight=fairness_weight)[0]
                least = min(least, value)
    assert found.lower <= least
    assert least >= found.upper - 1e-9, "the local search has found the best line of the dense search, or a better one"


def test_the_bounds_do_not_depend_on_the_precision_that_mpmath_is_set_to(cut):
    x, line, signs = cut
    plain = certified_minimum(x, signs, 0.01)
    with mpmath.workdps(2):
        enclosure._tables.cache_clear()
        coarse = certified_minimum(x, signs, 0.01)
        assert enclosure.loss_upper_bound(line[:2], line[2], x, 0.01) >= two_class_loss(line[:2], line[2], x, 0.01)[0]
    assert coarse.lower == plain.lower
    assert coarse.upper == plain.upper


@pytest.mark.parametrize("bias", [-800.0, -39.5, 39.5, 800.0])
def test_the_upper_bound_is_finite_and_close_where_all_points_are_on_one_side(cut, bias):
    x, _, _ = cut
    for weight, expected in ((0.0, 0.0), (1.5, 1.5 * math.log(2))):
        bound = enclosure.loss_upper_bound(np.zeros(2), bias, x, 1.0, fairness_weight=weight)
        assert expected - 1e-12 <= bound < expected + 1e-12


def test_giving_up_early_leaves_a_bound_that_is_true(cut):
    x, _, signs = cut
    full, early = certified_minimum(x, signs, 0.01), certified_minimum(x, signs, 0.01, max_boxes=50)
    assert not early.converged
    assert early.lower <= full.upper


def test_moving_turning_and_renaming_change_nothing(cut):
    x, _, signs = cut
    plain = certified_minimum(x, signs, 0.01)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    for points, labels in ((x + 100, signs), (x @ turn, signs), (x, -signs), (x, np.where(signs > 0, "a", "b"))):
        other = certified_minimum(points, labels, 0.01)
        assert max(plain.lower, other.lower) <= min(plain.upper, other.upper)
        assert other.upper == pytest.approx(plain.upper, abs=1e-8)


def test_the_widest_line_at_a_small_price_is_the_one_between_the_strips():
    strips = two_strips()
    found = certified_minimum(strips.x, strips.y, 1e-3)
    assert abs(found.weight[0]) < 1e-4 * abs(found.weight[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": 0}, r"gamma must be a finite number > 0, got 0"),
        ({"gamma": math.nan}, r"gamma must be a finite number > 0, got nan"),
        ({"tolerance": 0}, r"tolerance must be a finite number > 0, got 0"),
        ({"fairness_weight": -1}, r"fairness_weight must be a finite number >= 0, got -1"),
        ({"x": np.zeros((4, 3))}, r"x must have shape \[n, 2\], got \[4, 3\]"),
        ({"x": [[0, 0], [1, np.nan], [2, 0]]}, r"x must hold finite numbers"),
    ],
)
def test_bad_arguments_are_refused(cut, change, message):
    x, _, signs = cut
    arguments = {"x": x, "labels": signs, "gamma": 0.01} | change
    with pytest.raises(ValueError, match=message):
        certified_minimum(**arguments)
