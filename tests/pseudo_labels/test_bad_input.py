"""What every solver refuses, in one table, and what looks odd and is solved."""

import dataclasses
import math

import pytest
import torch
from problems import predictions

from paperlib.pseudo_labels import (
    AlternatingDirection,
    ClosedFormAlternatingDirection,
    DualNewton,
    ExpectationMaximization,
    ProjectedGradient,
    Sinkhorn,
)

SOLVERS = {
    "EM": ExpectationMaximization(),
    "EM, collision": ExpectationMaximization(divergence="collision_cross_entropy"),
    "EM, collision, reverse": ExpectationMaximization(divergence="collision_cross_entropy", direction="reverse"),
    "DualNewton": DualNewton(),
    "ProjectedGradient": ProjectedGradient(step_size=1e-2),
    "AlternatingDirection": AlternatingDirection(),
    "ClosedFormAlternatingDirection": ClosedFormAlternatingDirection(),
    "Sinkhorn": Sinkhorn(),
}
EVERY_SOLVER = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
FAIR = torch.tensor([[0.6, 0.4], [0.4, 0.6]])


@EVERY_SOLVER
@pytest.mark.parametrize(
    ("probs", "error", "message"),
    [
        (torch.tensor([[1.2, -0.2]]), ValueError, r"smallest entry is -0\.2 .* use softmax\(logits\)"),
        (torch.tensor([[0.9, 0.9]]), ValueError, r"a row sum is off by 0\.8; use softmax\(logits\)"),
        (torch.tensor([[math.nan, 0.5], [0.5, 0.5]]), ValueError, r"rows of probabilities.*nan"),
        (torch.tensor([[math.inf, 0.5], [0.5, 0.5]]), ValueError, r"rows of probabilities.*inf"),
        (torch.tensor([[1, 0], [0, 1]]), TypeError, r"floating-point numbers, got torch\.int64; use probs\.float\(\)"),
        (FAIR.numpy(), TypeError, "must be a torch tensor, got ndarray; use torch.as_tensor"),
        (FAIR[0], ValueError, r"shape \[n >= 1, k >= 1\], got \[2\]"),
        (torch.zeros(0, 3), ValueError, r"shape \[n >= 1, k >= 1\], got \[0, 3\]"),
        (torch.zeros(3, 0), ValueError, r"shape \[n >= 1, k >= 1\], got \[3, 0\]"),
    ],
)
def test_rows_that_are_no_probabilities_are_refused(solver, probs, error, message):
    with pytest.raises(error, match=message):
        solver.solve(probs)


@EVERY_SOLVER
@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([1.0, 0.0], r"positive in every entry, got \[1\.0, 0\.0\]; drop clusters that are not wanted"),
        ([1.5, -0.5], "positive in every entry"),
        ([math.nan, 1.0], "positive in every entry"),
        ([0.2, 0.3, 0.5], r"one entry for each of the 2 clusters, got shape \[3\]"),
        ([0.9, 0.9], r"sum to one, got 1\.8; divide it by its sum"),
        ("even", "None or 2 numbers, got 'even'"),
    ],
)
def test_priors_that_do_not_fit_are_refused(solver, prior, message):
    with pytest.raises(ValueError, match=message):
        solver.solve(FAIR, prior=prior)


@pytest.mark.parametrize("name", [name for name in SOLVERS if "Closed" not in name and name != "Sinkhorn"])
@pytest.mark.parametrize(
    ("start", "message"),
    [
        (FAIR[:1], r"start must have the shape of probs, \[2, 2\], got \[1, 2\]"),
        (2 * FAIR, "start must have rows of probabilities"),
    ],
)
def test_starts_that_do_not_fit_are_refused(name, start, message):
    with pytest.raises(ValueError, match=message):
        SOLVERS[name].solve(FAIR, start=start)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (torch.zeros(2, 3), r"out must be like probs, \[2, 2\] .* got \[2, 3\]"),
        (torch.zeros(2, 2, dtype=torch.float64), "of torch.float32 on cpu, got .* of torch.float64 on cpu"),
        (FAIR, "out must not share the memory of probs"),
    ],
)
def test_an_out_that_does_not_fit_is_refused(out, message):
    with pytest.raises(ValueError, match=message):
        ExpectationMaximization().solve(FAIR, out=out)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, "1", None])
@pytest.mark.parametrize("kind", [type(solver) for solver in SOLVERS.values() if hasattr(solver, "fairness_weight")])
def test_weights_out_of_range_are_refused_and_infinity_by_all_but_the_dual(kind, weight):
    if kind is DualNewton and weight == math.inf:
        sigma, prior = predictions(), torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
        torch.testing.assert_close(DualNewton(weight).solve(sigma, prior=prior).targets.mean(0), prior)
    else:
        with pytest.raises(ValueError, match=r"fairness_weight must be a finite number >= 0.*, got"):
            kind(weight)


@EVERY_SOLVER
def test_one_cluster_takes_all(solver):
    found = solver.solve(torch.ones(5, 1, dtype=torch.float64))
    torch.testing.assert_close(found.targets, torch.ones(5, 1, dtype=torch.float64))
    assert found.converged
    assert (found.value, found.gap) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))


@EVERY_SOLVER
def test_one_row_is_its_own_mean(solver):
    sigma, u = predictions(1), torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    found = solver.solve(sigma, prior=u, **({} if "Closed" in type(solver).__name__ else {"warn": False}))
    geometric = (sigma.log() + 0.5 * u.log()).softmax(1)  # y y^w in proportion to sigma^2 u^w, at weight one
    expected = {
        "ExpectationMaximization": (sigma + u) / 2,
        "DualNewton": (sigma + u) / 2,
        "ProjectedGradient": (sigma + u) / 2,
        "AlternatingDirection": geometric,
        "ClosedFormAlternatingDirection": geometric,
        "Sinkhorn": u[None],
    }[type(solver).__name__]
    if getattr(solver, "divergence", "") == "collision_cross_entropy":
        assert found.gap <= 1e-3
    else:
        torch.testing.assert_close(found.targets, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", [name for name in SOLVERS if hasattr(SOLVERS[name], "fairness_weight")])
def test_weight_zero_leaves_each_row_to_itself(name):
    sigma = predictions(scale=0.7)
    found = dataclasses.replace(SOLVERS[name], fairness_weight=0.0).solve(sigma)
    squares = sigma**2 / (sigma**2).sum(1, keepdim=True)
    expected = squares if "Alternating" in name else sigma
    if "collision" in name:
        expected = torch.eye(4, dtype=torch.float64)[sigma.argmax(1)]
    torch.testing.assert_close(found.targets, expected, rtol=0, atol=5e-3)
    assert found.converged
