"""The path of best lines: against dense grids, the theorem of chapter 3, and its rates down to 1e-64."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from paperlib.data import two_strips
from paperlib.theory.dichotomies import linear_dichotomies
from paperlib.theory.hard_margin import hard_margin
from paperlib.theory.margin_path import margin_path
from paperlib.theory.two_class import renyi_of_logit, two_class_loss

ORDERS = (0.5, 1, 2, math.inf)


def two_groups(seed, *, gap=3.0, stray=0.0):
    """Two groups of six, each 4 wide and 1.5 deep, ``gap`` apart, turned at random; one point strays sideways."""
    rng = np.random.default_rng(seed)
    x = np.column_stack((rng.uniform(-2, 2, 12), rng.uniform(0, 1.5, 12) + gap / 2))
    x[6:, 1] *= -1
    x[x[:, 0].argmin(), 0] -= stray
    angle = rng.uniform(0, math.pi)
    return x @ [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]


def cloud(seed, n=12):
    return np.random.default_rng(seed).standard_normal((n, 2))


def least_loss_of_a_grid(x, gamma, alpha, fairness_weight):
    """The least loss over 120 directions, 51 offsets and 40 norms, then L-BFGS from the best of 40 directions."""
    z = x - x.mean(0)
    norms = np.geomspace(0.02, 80, 40) / z.std()
    best = []
    for angle in np.linspace(0, math.pi, 120, endpoint=False):
        direction = np.array([math.cos(angle), math.sin(angle)])
        along = z @ direction
        offsets = np.linspace(along.min() - 0.5, along.max() + 0.5, 51)
        f = norms[:, None, None] * (along - offsets[:, None])
        shares = [np.maximum((1 / (1 + np.exp(-sign * f))).mean(-1), 1e-300) for sign in (1, -1)]
        fairness = math.log(2) + sum(share * np.log(share) for share in shares)
        loss = renyi_of_logit(f, alpha)[0].mean(-1) + fairness_weight * fairness + gamma * norms[:, None] ** 2
        size, middle = np.unravel_index(loss.argmin(), loss.shape)
        best.append((loss[size, middle], *(norms[size] * direction), -norms[size] * offsets[middle]))

    def at(line):
        return two_class_loss(line[:2], line[2], z, gamma, alpha=alpha, fairness_weight=fairness_weight)

    options = {"ftol": 1e-14, "gtol": 1e-10}
    return min(minimize(at, start[1:], jac=True, method="L-BFGS-B", options=options).fun for start in sorted(best)[:40])


@pytest.mark.parametrize("alpha", ORDERS)
@pytest.mark.parametrize("gamma", [0.1, 0.01, 0.001])
def test_no_dense_grid_finds_a_lower_loss(alpha, gamma):
    for seed, fairness_weight in ((3, 1.0), (8, 3.0)):
        x = cloud(seed)
        path = margin_path(x, gamma, alpha=alpha, fairness_weight=fairness_weight)
        assert path.loss[0] <= least_loss_of_a_grid(x, gamma, alpha, fairness_weight) * (1 + 1e-9)


@pytest.mark.parametrize("alpha", ORDERS)
def test_where_there_is_a_gap_the_labels_are_fair_and_the_margin_nearly_the_widest(alpha):
    for seed in range(8):
        path = margin_path(two_groups(seed), 1e-4, alpha=alpha)
        assert path.is_fair.all()
        assert 0.9 < path.margin_ratio[0] <= 1 + 1e-12


def test_a_wider_gap_that_is_unfair_is_not_taken():
    for seed in range(8):
        x = two_groups(seed, stray=8.0)
        path = margin_path(x, 1e-4)
        alone = np.arange(12) == np.square(x - np.median(x, axis=0)).sum(1).argmax()
        assert hard_margin(x, alone).margin > 1.2 * path.fair_margin
        assert path.labels[0].sum() == 6
        assert path.is_fair.all()
        assert path.margin_ratio[0] > 0.9


@pytest.mark.parametrize("alpha", ORDERS)
def test_ratios_to_theory_climb_to_one(alpha):
    path = margin_path(cloud(3), 10.0 ** -np.array([8, 16, 32, 64, 128, 256]), alpha=alpha)
    for ratio in (path.margin_ratio, path.norm / path.theoretical_norm, path.loss / path.theoretical_loss):
        assert (np.diff(ratio) > 0).all()
        assert 0.95 < ratio[-1] < 1
    assert path.is_fair.all()
    assert (np.diff(path.angle) < 0).all()
    assert path.angle[-1] < 0.02


@pytest.mark.parametrize("alpha", ORDERS)
def test_margin_and_angle_keep_the_promise_of_the_theorem_at_every_gamma_with_fair_labels(alpha):
    n, fairness_weight = 12, 2.0
    for seed in range(2):
        path = margin_path(cloud(seed), 10.0 ** -np.arange(2, 27, 4), alpha=alpha, fairness_weight=fairness_weight)
        balanced = 2 * path.labels.sum(1) == n
        assert balanced[path.loss < 1 / n**2].all()
        nearest = path.norm * path.margin
        more = np.linspace(0, 40, 40_001)  # the extra logit with which the widest gap would surely lose less
        for s, ratio in zip(nearest[balanced], path.margin_ratio[balanced], strict=True):
            cost = renyi_of_logit(s + more, alpha)[0] + fairness_weight * np.exp(-2 * (s + more))
            enough = more[cost <= renyi_of_logit(np.array(s), alpha)[0] / n]
            assert not len(enough) or ratio >= s / (s + enough[0])
        same = path.is_fair
        assert same[-3:].all()
        assert (np.cos(np.radians(path.angle[same])) >= path.margin_ratio[same] - 1e-12).all()


def test_no_solution_of_the_path_is_better_at_the_gamma_of_another():
    x = cloud(7)
    path = margin_path(x, np.geomspace(1, 1e-6, 7))
    for gamma, loss in zip(path.gamma, path.loss, strict=True):
        others = [two_class_loss(w, b, x, gamma)[0] for w, b in zip(path.weight, path.bias, strict=True)]
        assert loss <= min(others) * (1 + 1e-9)


def test_the_gradient_vanishes_at_every_solution():
    x = cloud(7)
    path = margin_path(x, [0.1, 1e-3, 1e-6])
    for place, gamma in enumerate(path.gamma):
        loss, gradient = two_class_loss(path.weight[place], path.bias[place], x, gamma)
        assert loss == path.loss[place]
        assert np.abs(gradient).max() < 1e-9 * loss


def test_on_two_strips_the_path_turns_from_across_to_along():
    path = margin_path(two_strips().x, [0.05, 0.01])
    assert path.angle == pytest.approx([90, 0], abs=1e-6)
    assert path.is_fair.tolist() == [False, True]
    assert path.fair_margin == pytest.approx(1.5)


def test_moving_turning_and_stretching_the_points_moves_the_path_along():
    x, gammas, c, s = cloud(3), np.array([1e-3, 1e-20]), math.cos(0.7), math.sin(0.7)
    turn = np.array([[c, -s], [s, c]])
    path, moved = margin_path(x, gammas), margin_path(5 * x @ turn.T + [30.0, -20.0], 25 * gammas)
    assert moved.loss == pytest.approx(path.loss, rel=1e-9)
    assert moved.margin == pytest.approx(5 * path.margin, rel=1e-6)
    assert moved.angle == pytest.approx(path.angle, abs=1e-5)
    assert 5 * moved.weight == pytest.approx(path.weight @ turn.T, rel=1e-6)
    assert (moved.labels == path.labels).all()


def test_gammas_in_any_order_give_the_same_and_tensors_are_taken():
    gammas = np.array([1e-3, 0.1, 1e-2])
    path, ordered = margin_path(torch.from_numpy(cloud(5)), gammas), margin_path(cloud(5), np.sort(gammas)[::-1])
    assert path.loss == pytest.approx(ordered.loss[[2, 0, 1]], rel=1e-12)
    assert path.gamma.tolist() == gammas.tolist()
    assert not path.labels[:, 0].any()


def test_at_a_dear_price_the_best_model_ignores_the_data():
    path = margin_path(cloud(3), 2.0)
    assert path.loss[0] == pytest.approx(math.log(2), abs=1e-13)
    assert (path.norm[0], path.margin[0], path.is_fair[0]) == (0, 0, False)
    assert math.isnan(path.angle[0])


def test_fair_labels_weight_and_bias_are_those_of_the_widest_gap_that_is_fair():
    x = cloud(4)
    path = margin_path(x, 1e-3)
    margins = [hard_margin(x, labels).margin for labels in linear_dichotomies(x, balanced=True)]
    assert path.fair_margin == pytest.approx(max(margins))
    logits = x @ path.fair_weight + path.fair_bias
    assert ((logits > 0) == path.fair_labels).all()
    assert np.abs(logits).min() == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": cloud(0, 13)}, r"x has 13 points; give an even number, at least four: no line halves an odd number"),
        ({"x": cloud(0, 2)}, r"x has 2 points; give an even number, at least four"),
        ({"x": np.zeros((12, 3))}, r"x must have shape \[n, 2\], got \[12, 3\]"),
        ({"x": np.ones((12, 2))}, "no line has half of the points on either side; move points that coincide"),
        ({"gammas": [0.1, 0.0]}, r"gammas must be finite numbers of at least 1e-280, got \[0.1, 0.0\]"),
        ({"gammas": []}, "gammas must be finite numbers"),
        ({"alpha": 0}, "alpha=0 must be an order > 0, infinity allowed; the entropy of order 0 is ln 2 for every line"),
        ({"alpha": math.nan}, "alpha=nan must be an order > 0"),
        ({"fairness_weight": 0}, "fairness_weight=0 must be a finite number > 0; at 0 one cluster for all points"),
        (
            {"gammas": 2.0, "fairness_weight": 0.5},
            "at gamma=2 and fairness_weight=0.5 there is no best line: one cluster for all points",
        ),
    ],
)
def test_it_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        margin_path(**{"x": cloud(0), "gammas": 0.01, **arguments})
