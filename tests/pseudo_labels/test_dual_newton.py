"""Newton on the dual: against a generic optimiser, EM, the optimality conditions as loops, and its own certificate."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import reverse_optimum
from sklearn.exceptions import ConvergenceWarning

from paperlib.pseudo_labels import DualNewton, ExpectationMaximization
from paperlib.pseudo_labels.em import objective

SKEWED = [0.4, 0.3, 0.2, 0.1]
KINDS = ["flat", "soft", "sure", "surest", "one-hot", "half one-hot", "all in one"]


def predictions(n=30, k=4, *, kind="soft", seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    scale = {"flat": 0.3, "sure": 10.0, "surest": 40.0}.get(kind, 2.0)
    logits = scale * torch.randn(n, k, generator=generator, dtype=torch.float64)
    if kind in ("sure", "surest"):  # later clusters are favoured
        logits = logits + torch.linspace(0, scale, k, dtype=torch.float64)
    probs = logits.softmax(1)
    hard = torch.eye(k, dtype=torch.float64)[probs.argmax(1)]
    if kind == "one-hot":
        probs = hard
    if kind == "half one-hot":
        probs[::2] = hard[::2]
    if kind == "all in one":
        probs = torch.eye(k, dtype=torch.float64)[torch.zeros(n, dtype=torch.long)]
    return probs.to(dtype)


def prior_of(k, *, skewed):
    prior = torch.linspace(1, 50 if skewed else 1, k, dtype=torch.float64)
    return prior / prior.sum()


def residual_by_loops(sigma, y, weight, prior):
    """The largest error of y (mu - w) = sigma; or a negative factor, if that is larger."""
    n, k = sigma.shape
    marginal = [math.fsum(y[i, c] for i in range(n)) / n for c in range(k)]
    slopes = [weight * float(prior[c]) / marginal[c] for c in range(k)]
    worst = 0.0
    for i in range(n):
        multiplier = 1 + math.fsum(float(y[i, c]) * slopes[c] for c in range(k))
        for c in range(k):
            factor = multiplier - slopes[c]
            worst = max(worst, abs(float(y[i, c]) * factor - float(sigma[i, c])), -factor, -float(y[i, c]))
    return worst


def residual(sigma, y, weight, prior):
    slopes = weight * prior / y.mean(0)
    distances = 1 + (y @ slopes)[:, None] - slopes
    return max(float((y * distances - sigma).abs().max()), -float(distances.min()), -float(y.min()))


@pytest.mark.parametrize("weight", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("prior", [None, SKEWED])
def test_it_reaches_the_optimum_of_a_generic_optimiser(weight, prior):
    sigma = predictions()
    found = DualNewton(weight).solve(sigma, prior=prior)
    best = reverse_optimum(sigma, weight, torch.tensor(prior or [0.25] * 4, dtype=torch.float64))
    assert found.converged
    assert found.value == pytest.approx(best, abs=1e-7)
    assert found.value <= best + 1e-12  # a convex problem: nobody is below the optimum


def test_it_finds_what_em_finds():
    sigma, prior = predictions(), torch.tensor(SKEWED, dtype=torch.float64)
    em = ExpectationMaximization(3.0, max_iterations=100_000, tolerance=1e-9).solve(sigma, prior=prior)
    found = DualNewton(3.0).solve(sigma, prior=prior)
    torch.testing.assert_close(found.targets, em.targets, rtol=0, atol=1e-4)
    assert found.value == pytest.approx(em.value, abs=1e-9)
    assert found.value == pytest.approx(objective(sigma, found.targets, 3.0, prior), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("weight", [0.1, 1.0, 100.0, 1e4])
def test_the_optimality_conditions_hold_as_loops(kind, skewed, weight):
    sigma, prior = predictions(40, 5, kind=kind), prior_of(5, skewed=skewed)
    found = DualNewton(weight).solve(sigma, prior=prior)
    assert found.converged
    assert residual_by_loops(sigma, found.targets, weight, prior) <= 1e-9
    torch.testing.assert_close(found.targets.sum(1), torch.ones(40, dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "k"), [(1000, 2), (2000, 50), (300, 200)])
def test_every_weight_and_prior_is_solved_to_the_tolerance(kind, n, k):
    sigma = predictions(n, k, kind=kind)
    for skewed in (False, True):
        prior = prior_of(k, skewed=skewed)
        for weight in (0.1, 1.0, 100.0, 1e4):
            found = DualNewton(weight).solve(sigma, prior=prior)
            assert residual(sigma, found.targets, weight, prior) <= 1e-9
            assert 0 <= found.gap <= 1e-8
            assert found.n_iterations <= 60
        fair = DualNewton(math.inf).solve(sigma, prior=prior)
        torch.testing.assert_close(fair.targets.mean(0), prior, rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(100_000, 10), (1000, 1000)])
@pytest.mark.parametrize("kind", ["soft", "surest"])
def test_many_rows_and_many_clusters_are_solved(kind, n, k):
    sigma, prior = predictions(n, k, kind=kind), prior_of(k, skewed=True)
    for weight in (1.0, 1e4):
        found = DualNewton(weight).solve(sigma, prior=prior)
        assert residual(sigma, found.targets, weight, prior) <= 1e-9


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 40),
    st.integers(2, 8),
    st.sampled_from(KINDS),
    st.booleans(),
    st.floats(-3, 8).map(lambda exponent: 10**exponent),
)
def test_any_problem_is_solved(seed, n, k, kind, skewed, weight):
    sigma, prior = predictions(n, k, kind=kind, seed=seed), prior_of(k, skewed=skewed)
    found = DualNewton(weight).solve(sigma, prior=prior)
    assert found.converged
    assert residual(sigma, found.targets, weight, prior) <= max(
        1e-9, 1e-14 * float((weight * prior / found.targets.mean(0)).max())
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(KINDS), st.sampled_from([0.3, 3.0, 300.0]), st.integers(1, 12))
def test_the_gap_covers_what_is_left_however_early_it_stops(seed, kind, weight, steps):
    sigma, prior = predictions(20, 4, kind=kind, seed=seed), prior_of(4, skewed=False)
    early = DualNewton(weight, max_iterations=steps).solve(sigma, prior=prior, warn=False)
    best = DualNewton(weight).solve(sigma, prior=prior)
    rounding = 1e-14 * (1 + weight)
    assert early.value - best.value <= early.gap + rounding


def test_an_infinite_weight_is_the_limit_of_great_ones_and_beats_every_other_fair_labelling():
    sigma, prior = predictions(), torch.tensor(SKEWED, dtype=torch.float64)
    fair = DualNewton(math.inf).solve(sigma, prior=prior)
    nearly = DualNewton(1e6).solve(sigma, prior=prior)
    torch.testing.assert_close(fair.targets.mean(0), prior, rtol=0, atol=1e-9)
    torch.testing.assert_close(nearly.targets, fair.targets, rtol=0, atol=1e-4)
    assert fair.value == pytest.approx(float(-(sigma * fair.targets.log()).sum(1).mean()), rel=1e-12)
    generator = torch.Generator().manual_seed(1)
    for size in (1e-3, 1e-2):
        change = torch.randn(30, 4, generator=generator, dtype=torch.float64)
        change -= change.mean(0)
        change -= change.mean(1, keepdim=True)  # neither the rows' sums nor the marginal change
        other = fair.targets + size * fair.targets.min() * change
        assert float(-(sigma * other.log()).sum(1).mean()) > fair.value


def test_weight_zero_one_cluster_and_one_row_are_closed_forms():
    sigma = predictions()
    assert torch.equal(DualNewton(0.0).solve(sigma).targets, sigma)
    single = DualNewton(2.0).solve(torch.ones(5, 1, dtype=torch.float64))
    assert torch.equal(single.targets, torch.ones(5, 1, dtype=torch.float64))
    assert (single.value, single.gap) == (0.0, 0.0)
    # one row is its own marginal: y maximises sum (sigma + weight u) ln y
    prior = torch.tensor(SKEWED, dtype=torch.float64)
    torch.testing.assert_close(DualNewton(2.0).solve(sigma[:1], prior=prior).targets, (sigma[:1] + 2 * prior) / 3)
    torch.testing.assert_close(DualNewton(math.inf).solve(sigma[:1], prior=prior).targets, prior[None])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_hot_predictions_leave_their_zeros_for_an_empty_cluster(dtype):
    found = DualNewton(1.0).solve(torch.eye(4, dtype=dtype)[torch.arange(60) % 3])
    # with theta the share moved: 3 clusters keep 1 - theta, and theta maximises (1 + 3/4) ln(1 - theta) + 1/4 ln(theta)
    assert found.converged
    assert float(found.targets.mean(0)[3]) == pytest.approx(0.125, abs=1e-5 if dtype == torch.float32 else 1e-9)


def test_relabelling_reordering_and_repeating_change_nothing():
    sigma, solver = predictions(kind="sure"), DualNewton(2.0)
    y = solver.solve(sigma).targets
    torch.testing.assert_close(solver.solve(sigma[:, [3, 1, 0, 2]]).targets, y[:, [3, 1, 0, 2]], rtol=0, atol=1e-7)
    torch.testing.assert_close(solver.solve(sigma.flip(0)).targets, y.flip(0), rtol=0, atol=1e-7)
    torch.testing.assert_close(solver.solve(sigma.repeat(2, 1)).targets, y.repeat(2, 1), rtol=0, atol=1e-7)


def test_the_size_of_the_chunks_changes_nothing(monkeypatch):
    sigma = predictions(101, 4, kind="sure")
    whole = DualNewton(2.0).solve(sigma).targets
    monkeypatch.setattr("paperlib.pseudo_labels._dual_state._CHUNK", 40)
    torch.testing.assert_close(DualNewton(2.0).solve(sigma).targets, whole, rtol=0, atol=1e-7)


@pytest.mark.parametrize("weight", [1.0, 1e4])
@pytest.mark.parametrize("kind", ["soft", "sure", "one-hot"])
def test_a_warm_start_saves_steps_and_a_bad_one_is_no_harm(kind, weight):
    sigma, solver = predictions(200, 10, kind=kind), DualNewton(weight)
    prior = prior_of(10, skewed=True)
    cold = solver.solve(sigma, prior=prior)
    warm = solver.solve(sigma, prior=prior, start=cold.targets)
    assert warm.n_iterations < cold.n_iterations
    assert warm.value == pytest.approx(cold.value, rel=1e-9)
    for bad in (sigma.flip(1), torch.eye(10, dtype=torch.float64)[torch.zeros(200, dtype=torch.long)]):
        found = solver.solve(sigma, prior=prior, start=bad)
        assert residual(sigma, found.targets, weight, prior) <= 1e-9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [1.0, 1e4, math.inf])
def test_float32_finds_what_float64_finds(kind, weight):
    single = DualNewton(weight).solve(predictions(500, 10, kind=kind, dtype=torch.float32))
    double = DualNewton(weight).solve(predictions(500, 10, kind=kind))
    assert single.converged
    assert single.targets.dtype == torch.float32
    torch.testing.assert_close(single.targets.double().mean(0), double.targets.mean(0), rtol=0, atol=2e-6)
    assert single.value == pytest.approx(double.value, rel=1e-5)


def test_stopping_early_warns_once_and_names_the_knob():
    with pytest.warns(
        ConvergenceWarning, match="raise max_iterations or tolerance, or lower fairness_weight"
    ) as caught:
        found = DualNewton(100.0, max_iterations=2).solve(predictions(50, 10))
    assert len(caught) == 1
    assert not found.converged
    assert found.gap > 1e-8


def test_no_gradient_flows_through_the_solver():
    logits = torch.randn(5, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))
    assert not DualNewton().solve(logits.softmax(1)).targets.requires_grad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fairness_weight": -1}, "fairness_weight must be a finite number >= 0 or infinity, got -1"),
        ({"fairness_weight": math.nan}, "got nan"),
        ({"fairness_weight": "1"}, "got '1'"),
        ({"max_iterations": 0}, "max_iterations must be a whole number of at least 1"),
        ({"max_iterations": 2.5}, "got 2.5"),
        ({"tolerance": 0}, "tolerance must be a finite number > 0"),
        ({"tolerance": math.inf}, "tolerance must be a finite number > 0"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DualNewton(**arguments)


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        (torch.tensor([[1.2, -0.2]]), "smallest entry is -0.2"),
        (torch.tensor([[0.9, 0.9]]), "a row sum is off by 0.8"),
        (torch.tensor([[math.nan, 0.5]]), "rows of probabilities"),
        (torch.zeros(3, 0), "k >= 1"),
    ],
)
def test_rows_that_are_no_probabilities_are_refused(probs, message):
    with pytest.raises(ValueError, match=message):
        DualNewton().solve(probs)


def test_a_prior_with_a_zero_and_a_start_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="prior must be positive in every entry"):
        DualNewton().solve(predictions(), prior=torch.tensor([0.5, 0.5, 0.0, 0.0]))
    with pytest.raises(ValueError, match=r"start must have the shape of probs, \[30, 4\], got \[30, 3\]"):
        DualNewton().solve(predictions(), start=predictions(k=3))
