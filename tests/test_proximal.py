"""Proximal operators against their definition: what they return minimises, and nothing else does."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.linear_model import MultiTaskLasso

from paperlib.proximal import group_norms, group_soft_threshold, hierarchical_prox

GROUPS = torch.tensor([7, -1, 7, 3, 3, 7])


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def group_columns(groups, d):
    ids = list(range(d)) if groups is None else groups.tolist()
    return [[j for j in range(d) if ids[j] == g] for g in sorted(set(ids))]


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_each_group_solves_its_optimality_condition(groups):
    weight, threshold = random(3, 6), 1.72
    found = group_soft_threshold(weight, threshold, groups=groups)
    on = 0
    for columns in group_columns(groups, 6):
        u, w = weight[:, columns], found[:, columns]
        if w.abs().max() > 0:  # convex: a subgradient of zero is a minimum
            on += 1
            torch.testing.assert_close(w - u + threshold * w / w.norm(), torch.zeros_like(w))
        else:
            assert u.norm() <= threshold
    assert 0 < on < len(group_columns(groups, 6))


def test_with_an_identity_as_design_it_is_scikit_learns_multi_task_lasso():
    weight = random(3, 6)
    lasso = MultiTaskLasso(alpha=1.4 / 6, fit_intercept=False, tol=1e-12).fit(np.eye(6), weight.T.numpy())
    torch.testing.assert_close(group_soft_threshold(weight, 1.4), torch.from_numpy(lasso.coef_))


def test_one_row_is_the_soft_threshold():
    weight = torch.tensor([[3.0, -3.0, 0.5, -0.5, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[2.0, -2.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(group_soft_threshold(weight, 1.0), expected)


@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("threshold", [0.1, 1.0, 3.0])
def test_the_group_soft_threshold_is_firmly_non_expansive(groups, threshold):
    for seed in range(50):
        a, b = random(3, 6, seed=seed), random(3, 6, seed=100 + seed)
        moved = group_soft_threshold(a, threshold, groups=groups) - group_soft_threshold(b, threshold, groups=groups)
        assert moved.square().sum() <= (moved * (a - b)).sum() + 1e-12


def test_norms_up_to_the_threshold_become_exact_zeros():
    weight = torch.tensor([[3.0, 3.0, 0.0], [4.0, 4.1, 0.0]], dtype=torch.float64)
    found = group_soft_threshold(weight, 5.0)
    assert (found != 0).any(0).tolist() == [False, True, False]
    assert torch.equal(group_soft_threshold(weight, 0.0), weight)


def test_the_ids_of_groups_are_only_names():
    weight = random(3, 6)
    renamed = torch.tensor([0, 5, 0, 2, 2, 0])
    assert torch.equal(
        group_soft_threshold(weight, 1.7, groups=GROUPS), group_soft_threshold(weight, 1.7, groups=renamed)
    )
    alone = group_soft_threshold(weight, 1.7, groups=torch.arange(6))
    torch.testing.assert_close(alone, group_soft_threshold(weight, 1.7))


def test_the_norms_of_groups_come_in_the_order_of_their_ids():
    weight = random(3, 6)
    expected = torch.stack([weight[:, [1]].norm(), weight[:, [3, 4]].norm(), weight[:, [0, 2, 5]].norm()])
    torch.testing.assert_close(group_norms(weight, groups=GROUPS), expected)
    torch.testing.assert_close(group_norms(weight), weight.norm(dim=0))


def hierarchical_value(beta, w, v, u, threshold):
    """What LassoNet's operator minimises, for one feature."""
    return ((beta - v).square().sum() + (w - u).square().sum()) / 2 + threshold * beta.norm()


def by_search(v, u, threshold, hierarchy):
    """The least value for one feature, and where: over a grid of the norm of beta, then between its neighbours."""
    v, u = v.tolist(), u.tolist()
    length = math.sqrt(sum(entry**2 for entry in v))

    def value(r):
        clipped = sum(max(abs(entry) - hierarchy * r, 0.0) ** 2 for entry in u)
        return ((r - length) ** 2 + clipped) / 2 + threshold * r

    most = length + sum(abs(entry) for entry in u)  # beyond, all terms grow
    grid = [most * i / 500 for i in range(501)]
    best = min(range(501), key=lambda i: value(grid[i]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, 500)])
    r = minimize_scalar(value, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return min((value(r), r), (value(0.0), 0.0))


PROBLEMS = [
    (seed, threshold, hierarchy)
    for seed in range(3)
    for threshold in (0.0, 0.3, 2.0, 6.0)
    for hierarchy in (0.1, 0.5, 1.0, 10.0)
]


@pytest.mark.parametrize(("seed", "threshold", "hierarchy"), PROBLEMS)
def test_no_search_finds_a_lower_value_than_the_hierarchical_operator(seed, threshold, hierarchy):
    skip, hidden = random(3, 6, seed=seed) * torch.tensor([2.0, 1, 0.5, 0.1, 0, 1]), random(5, 6, seed=10 + seed)
    hidden[:, 5] = hidden[0, 5]  # ties
    beta, w = hierarchical_prox(skip, hidden, threshold, hierarchy=hierarchy)
    for j in range(6):
        value, r = by_search(skip[:, j], hidden[:, j], threshold, hierarchy)
        assert beta[:, j].norm().item() == pytest.approx(r, abs=1e-6)
        assert hierarchical_value(beta[:, j], w[:, j], skip[:, j], hidden[:, j], threshold).item() == pytest.approx(
            value, abs=1e-10
        )
        assert w[:, j].abs().max() <= hierarchy * beta[:, j].norm() * (1 + 1e-12)


def test_no_point_that_is_allowed_has_a_lower_value():
    threshold, hierarchy, generator = 0.6, 0.7, torch.Generator().manual_seed(0)
    skip, hidden = random(2, 8), random(3, 8, seed=1)
    beta, w = hierarchical_prox(skip, hidden, threshold, hierarchy=hierarchy)
    for j in range(8):
        least = hierarchical_value(beta[:, j], w[:, j], skip[:, j], hidden[:, j], threshold)
        for spread in (1e-3, 0.1, 1.0):
            for _ in range(100):
                other = beta[:, j] + spread * torch.randn(2, generator=generator, dtype=torch.float64)
                bound = float(hierarchy * other.norm())
                near = w[:, j] + spread * torch.randn(3, generator=generator, dtype=torch.float64)
                value = hierarchical_value(other, near.clamp(-bound, bound), skip[:, j], hidden[:, j], threshold)
                assert value >= least - 1e-12


def test_the_norm_is_where_the_derivative_vanishes():
    threshold, hierarchy = 1.5, 0.8
    skip, hidden = random(3, 200), random(12, 200, seed=1)
    hidden[:, ::2] /= 10
    beta, _ = hierarchical_prox(skip, hidden, threshold, hierarchy=hierarchy)
    r = beta.norm(dim=0)
    pull = hierarchy * (hidden.abs() - hierarchy * r).clamp_min(0).sum(0)
    slope = r - skip.norm(dim=0) + threshold - pull
    on = r > 0
    assert 0 < int(on.sum()) < 200
    assert slope[on].abs().max() < 1e-12
    assert slope[~on].min() >= 0


def test_without_hidden_weights_it_is_the_group_soft_threshold():
    skip = random(3, 6)
    beta, w = hierarchical_prox(skip, torch.zeros(4, 6, dtype=torch.float64), 1.5)
    torch.testing.assert_close(beta, group_soft_threshold(skip, 1.5))
    assert not w.any()


def test_a_hierarchy_of_zero_switches_the_hidden_layer_off():
    skip = random(3, 6)
    beta, w = hierarchical_prox(skip, random(4, 6, seed=1), 1.5, hierarchy=0.0)
    torch.testing.assert_close(beta, group_soft_threshold(skip, 1.5))
    assert not w.any()


def test_weights_that_are_allowed_stay_when_the_threshold_is_zero():
    skip, hidden = random(3, 6), random(4, 6, seed=1) / 100
    beta, w = hierarchical_prox(skip, hidden, 0.0)
    torch.testing.assert_close(beta, skip)
    assert torch.equal(w, hidden)


def test_a_skip_of_zero_is_revived_by_large_hidden_weights_with_equal_entries():
    hidden = torch.tensor([[3.0, 0.1], [-1.0, 0.1]], dtype=torch.float64)
    beta, w = hierarchical_prox(torch.zeros(4, 2, dtype=torch.float64), hidden, 1.0, hierarchy=2.0)
    # one hidden weight is clipped: r = (-1 + 2 * 3) / (1 + 2^2) = 1; in the other column 2 * (0.1 + 0.1) < 1
    torch.testing.assert_close(beta, torch.tensor([[0.5, 0.0]], dtype=torch.float64).expand(4, 2))
    torch.testing.assert_close(w, torch.tensor([[2.0, 0.0], [-1.0, 0.0]], dtype=torch.float64))


def test_a_feature_that_is_off_is_exactly_zero_in_both_layers():
    beta, w = hierarchical_prox(random(3, 50), random(4, 50, seed=1) / 20, 1.5, hierarchy=1.0)
    off = (beta == 0).all(0)
    assert 0 < int(off.sum()) < 50
    assert not w[:, off].any()


def test_features_and_hidden_units_may_come_in_any_order():
    skip, hidden = random(3, 6), random(4, 6, seed=1)
    beta, w = hierarchical_prox(skip, hidden, 0.5, hierarchy=0.7)
    features, units = torch.tensor([3, 1, 5, 0, 2, 4]), torch.tensor([2, 0, 3, 1])
    moved = hierarchical_prox(skip[:, features], hidden[units][:, features], 0.5, hierarchy=0.7)
    torch.testing.assert_close(moved[0], beta[:, features])
    torch.testing.assert_close(moved[1], w[units][:, features])
    turned = hierarchical_prox(-skip, -hidden, 0.5, hierarchy=0.7)
    torch.testing.assert_close(turned, (-beta, -w))


def test_single_precision_is_kept():
    skip, hidden = random(3, 6), random(4, 6, seed=1)
    for single, double in (
        (group_soft_threshold(skip.float(), 1.7, groups=GROUPS), group_soft_threshold(skip, 1.7, groups=GROUPS)),
        *zip(hierarchical_prox(skip.float(), hidden.float(), 0.5), hierarchical_prox(skip, hidden, 0.5), strict=True),
    ):
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-6)


def test_what_is_not_a_number_does_not_pass_for_a_feature_that_is_off():
    broken = torch.full((2, 1), math.nan, dtype=torch.float64)
    assert group_soft_threshold(broken, 1.0).isnan().all()
    assert hierarchical_prox(broken, random(3, 1), 1.0)[0].isnan().all()
    assert hierarchical_prox(random(2, 1), broken, 1.0)[0].isnan().all()


def test_arguments_out_of_range_are_refused():
    weight = random(2, 3)
    for call in (
        lambda value: group_soft_threshold(weight, value),
        lambda value: hierarchical_prox(weight, weight, value),
    ):
        for value in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match="threshold must be a finite number >= 0"):
                call(value)
    with pytest.raises(ValueError, match="hierarchy must be a finite number >= 0, got -1"):
        hierarchical_prox(weight, weight, 1.0, hierarchy=-1)
    with pytest.raises(ValueError, match=r"skip and hidden must have the same features, got \[2, 3\], \[2, 2\]"):
        hierarchical_prox(weight, weight[:, :2], 1.0)
    with pytest.raises(ValueError, match=r"weight must have shape \[n >= 1, k >= 1\]"):
        group_soft_threshold(weight[0], 1.0)
    with pytest.raises(TypeError, match="hidden must hold floating-point numbers"):
        hierarchical_prox(weight, weight.long(), 1.0)


@pytest.mark.parametrize("groups", [[0, 0, 1], torch.zeros(3)])
def test_groups_that_are_no_whole_numbers_are_refused(groups):
    with pytest.raises(TypeError, match="groups must be None or a tensor of whole numbers"):
        group_soft_threshold(random(2, 3), 1.0, groups=groups)


def test_groups_that_do_not_fit_the_columns_are_refused():
    with pytest.raises(ValueError, match=r"one number for each of the 3 columns of weight, got shape \[2\]"):
        group_norms(random(2, 3), groups=torch.tensor([0, 1]))
