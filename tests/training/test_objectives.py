"""Objectives with bound settings."""

import math

import pytest
import torch

from paperlib.losses import fairness_loss, gemini, mutual_information_loss, self_labeling_loss
from paperlib.pseudo_labels import (
    AlternatingDirection,
    ClosedFormAlternatingDirection,
    DualNewton,
    ExpectationMaximization,
    ProjectedGradient,
    Sinkhorn,
)
from paperlib.training import Gemini, MutualInformation, SelfLabeling, pseudo_label_loss

LOGITS = 2 * torch.randn(25, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_mutual_information_is_the_loss():
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    expected = mutual_information_loss(LOGITS, fairness_weight=2.0, prior=prior)
    assert torch.equal(MutualInformation(2.0, prior)(LOGITS), expected)


def test_self_labeling_is_the_least_over_all_pseudo_labels():
    loss = SelfLabeling(ExpectationMaximization(1.5, tolerance=1e-10, max_iterations=10_000))(LOGITS)
    generator = torch.Generator().manual_seed(1)
    for spread in (0.01, 0.3, 3.0):
        other = (LOGITS + spread * torch.randn(LOGITS.shape, generator=generator, dtype=torch.float64)).softmax(1)
        assert loss <= self_labeling_loss(LOGITS, other) + 1.5 * fairness_loss(other.mean(0))


def test_the_gradient_of_self_labeling_is_that_of_the_eliminated_problem():
    objective = SelfLabeling(ExpectationMaximization(1.5, tolerance=1e-14, max_iterations=100_000))
    logits = LOGITS[:6].clone().requires_grad_()
    assert torch.autograd.gradcheck(objective, logits, eps=1e-5, atol=1e-5)


@pytest.mark.parametrize("weight", [0.5, 1.0, 10.0])
def test_the_trap_of_one_cluster_has_its_known_loss(weight):
    one_cluster = torch.zeros(30, 5, dtype=torch.float64)
    one_cluster[:, 0] = 1e4
    loss = SelfLabeling(ExpectationMaximization(weight, tolerance=1e-10, max_iterations=10_000))(one_cluster)
    # targets (a, b, .., b) with a = (1 + w/k) / (1 + w), b = (w/k) / (1 + w)
    k, a, b = 5, (1 + weight / 5) / (1 + weight), weight / 5 / (1 + weight)
    marginal = torch.tensor([a] + [b] * (k - 1), dtype=torch.float64)
    assert loss.item() == pytest.approx(-float(marginal[0].log()) + weight * fairness_loss(marginal).item(), abs=1e-6)


def test_solves_that_stopped_early_are_counted_and_do_not_warn():
    objective = SelfLabeling(ExpectationMaximization(100.0, max_iterations=1, tolerance=1e-15))
    objective(LOGITS)
    objective(LOGITS)
    assert objective.unsolved == 2


COLLISION = {"divergence": "collision_cross_entropy"}
SOLVERS = {
    "EM": ExpectationMaximization(1.5, 10_000, 1e-10),
    "collision, forward": ExpectationMaximization(1.5, 10_000, 1e-7, **COLLISION),
    "collision, reverse": ExpectationMaximization(1.5, 10_000, 1e-7, **COLLISION, direction="reverse"),
    "dual Newton": DualNewton(1.5),
    "projected gradient": ProjectedGradient(1.5, 1e-3, 2000, 1e-4),
    "alternating directions": AlternatingDirection(1.5, tolerance=1e-12),
    "closed form": ClosedFormAlternatingDirection(1.5),
    "Sinkhorn": Sinkhorn(4.0, tolerance=1e-10),
}
PRIOR = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
FAIRNESS_CONSTANT = {"EM", "dual Newton", "projected gradient"}  # these leave -H(u) out of their value


@pytest.mark.parametrize("name", SOLVERS)
def test_the_loss_of_a_solver_is_the_value_that_it_reports(name):
    solver, probs = SOLVERS[name], LOGITS.softmax(1)
    options = {} if name == "closed form" else {"warn": False}
    found = solver.solve(probs, prior=PRIOR, **options)
    constant = 1.5 * float(torch.xlogy(PRIOR, PRIOR).sum()) if name in FAIRNESS_CONSTANT else 0.0
    loss = pseudo_label_loss(LOGITS, found.targets, solver, PRIOR)
    assert loss.item() == pytest.approx(found.value + constant, abs=1e-9)


@pytest.mark.parametrize("name", ["dual Newton", "alternating directions", "Sinkhorn"])
def test_the_gradient_is_that_of_the_least_value(name):
    logits = LOGITS[:6].clone().requires_grad_()
    assert torch.autograd.gradcheck(SelfLabeling(SOLVERS[name], PRIOR), logits, eps=1e-5, atol=1e-5)


def test_something_that_is_no_solver_is_refused():
    with pytest.raises(TypeError, match="str has no loss here; use a solver of paperlib"):
        pseudo_label_loss(LOGITS, LOGITS.softmax(1), "em", None)


VIEWS = 2 * torch.randn(3, 12, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("divergence", ["reverse_cross_entropy", "cross_entropy", "collision_cross_entropy", None])
def test_views_share_the_label_of_their_mean_prediction(divergence):
    """The paper's sums as loops: labels from the mean prediction, the coupling a mean over views and samples."""
    solver = ExpectationMaximization(1.5, 10_000, 1e-12)
    mean = sum(view.softmax(1) for view in VIEWS) / 3
    targets = solver.solve(mean, prior=PRIOR).targets
    couple = {
        "reverse_cross_entropy": lambda sigma, y: -sum(s * math.log(t) for s, t in zip(sigma, y, strict=True)),
        "cross_entropy": lambda sigma, y: -sum(t * math.log(s) for s, t in zip(sigma, y, strict=True)),
        "collision_cross_entropy": lambda sigma, y: -math.log(sum(s * t for s, t in zip(sigma, y, strict=True))),
    }[divergence or "reverse_cross_entropy"]
    expected = 1.5 * fairness_loss(targets.mean(0), PRIOR).item()
    for view in VIEWS:
        for sigma, y in zip(view.softmax(1).tolist(), targets.tolist(), strict=True):
            expected += couple(sigma, y) / (3 * 12)
    assert SelfLabeling(solver, PRIOR, divergence=divergence)(VIEWS).item() == pytest.approx(expected, abs=1e-9)


def test_each_view_has_its_own_gradient_and_the_labels_none():
    solver = ExpectationMaximization(1.5, 10_000, 1e-12)
    views = VIEWS.clone().requires_grad_()
    SelfLabeling(solver)(views).backward()
    targets = solver.solve(VIEWS.softmax(-1).mean(0)).targets
    for view, gradient in zip(VIEWS, views.grad, strict=True):
        alone = view.clone().requires_grad_()
        self_labeling_loss(alone, targets).backward()
        assert torch.allclose(gradient, alone.grad / 3, atol=1e-12)


def test_the_order_of_views_and_their_repetition_change_nothing():
    for objective in (
        SelfLabeling(ExpectationMaximization(1.5, 10_000, 1e-12)),
        MutualInformation(2.0),
        Gemini("tv_ova"),
    ):
        value = objective(VIEWS)
        assert torch.isclose(objective(VIEWS.flip(0)), value, atol=1e-10)
        assert torch.isclose(objective(VIEWS.repeat(2, 1, 1)), value, atol=1e-10)
        assert torch.isclose(objective(VIEWS[:1]), objective(VIEWS[0]), atol=1e-10)


@pytest.mark.parametrize(
    ("objective", "loss"),
    [
        (MutualInformation(2.0), lambda logits: mutual_information_loss(logits, fairness_weight=2.0)),
        (Gemini("mmd_ova", features=LOGITS[:12]), lambda logits: -gemini(logits, "mmd_ova", features=LOGITS[:12])),
    ],
)
def test_losses_of_views_are_those_of_the_mean_prediction(objective, loss):
    assert torch.isclose(objective(VIEWS), loss(VIEWS.softmax(-1).mean(0).log()))
    assert torch.autograd.gradcheck(objective, VIEWS.clone().requires_grad_())


def test_another_coupling_keeps_the_labels_and_the_fairness_of_the_solver():
    solver = ExpectationMaximization(1.5, 10_000, 1e-12)
    targets = solver.solve(LOGITS.softmax(1)).targets
    values = {
        divergence: SelfLabeling(solver, divergence=divergence)(LOGITS)
        for divergence in (None, "reverse_cross_entropy", "cross_entropy")
    }
    assert torch.equal(values[None], values["reverse_cross_entropy"])
    difference = self_labeling_loss(LOGITS, targets, divergence="cross_entropy") - self_labeling_loss(LOGITS, targets)
    assert torch.isclose(values["cross_entropy"] - values[None], difference)
    assert difference.abs() > 1e-3


def test_a_warm_start_is_for_the_same_samples_alone():
    objective = SelfLabeling(ExpectationMaximization(1.5), warm_start=True)
    objective(LOGITS)
    with pytest.raises(ValueError, match="warm_start is for calls on the same samples, not for batches"):
        objective(LOGITS, torch.arange(25).flip(0))
