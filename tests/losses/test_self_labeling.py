"""The three couplings of predictions and pseudo-labels."""

import math

import pytest
import torch

from paperlib.information import entropy
from paperlib.losses import self_labeling_loss

DIVERGENCES = ["reverse_cross_entropy", "cross_entropy", "collision_cross_entropy"]


def example(n=6, k=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, k, generator=generator, dtype=torch.float64)
    return logits.to(dtype), torch.randn(n, k, generator=generator, dtype=torch.float64).softmax(1).to(dtype)


def the_papers_own_sum(logits, targets, divergence):
    total = 0.0
    for row, y in zip(logits.tolist(), targets.tolist(), strict=True):
        sigma = [math.exp(v) / sum(math.exp(u) for u in row) for v in row]
        if divergence == "reverse_cross_entropy":
            total -= sum(s * math.log(t) for s, t in zip(sigma, y, strict=True))
        elif divergence == "cross_entropy":
            total -= sum(t * math.log(s) for s, t in zip(sigma, y, strict=True))
        else:
            total -= math.log(sum(s * t for s, t in zip(sigma, y, strict=True)))
    return total / len(logits)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_loss_equals_its_sum(divergence):
    logits, targets = example()
    loss = self_labeling_loss(logits, targets, divergence=divergence)
    assert loss.item() == pytest.approx(the_papers_own_sum(logits, targets, divergence), rel=1e-12)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_gradient_equals_finite_differences(divergence):
    logits, targets = example()
    assert torch.autograd.gradcheck(
        lambda given: self_labeling_loss(given, targets, divergence=divergence), logits.requires_grad_()
    )


def test_gradients_equal_the_papers_closed_forms():
    logits, y = example()
    logits.requires_grad_()
    sigma = logits.detach().softmax(1)
    closed = {
        "cross_entropy": sigma - y,
        "reverse_cross_entropy": -sigma * (y.log() - (sigma * y.log()).sum(1, keepdim=True)),
        "collision_cross_entropy": sigma - sigma * y / (sigma * y).sum(1, keepdim=True),
    }
    for divergence, expected in closed.items():
        (gradient,) = torch.autograd.grad(self_labeling_loss(logits, y, divergence=divergence), logits)
        torch.testing.assert_close(gradient * len(logits), expected)


@pytest.mark.parametrize(("divergence", "teaches"), list(zip(DIVERGENCES, [False, True, False], strict=True)))
def test_only_cross_entropy_teaches_the_uncertainty_of_a_uniform_label(divergence, teaches):
    logits, targets = example()
    logits.requires_grad_()
    self_labeling_loss(logits, torch.full_like(targets, 0.25), divergence=divergence).backward()
    assert bool(logits.grad.abs().max() > 1e-3) == teaches
    if not teaches:
        assert logits.grad.abs().max() < 1e-15


def test_collision_equals_cross_entropy_for_one_hot_labels():
    logits, targets = example()
    one_hot = torch.nn.functional.one_hot(targets.argmax(1), 4).double()
    torch.testing.assert_close(
        self_labeling_loss(logits, one_hot, divergence="collision_cross_entropy"),
        self_labeling_loss(logits, one_hot, divergence="cross_entropy"),
    )


@pytest.mark.parametrize("divergence", DIVERGENCES[:2])
def test_labels_equal_to_the_predictions_cost_their_entropy(divergence):
    logits, _ = example()
    probs = logits.softmax(1)
    torch.testing.assert_close(self_labeling_loss(logits, probs, divergence=divergence), entropy(probs).mean())


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_confident_agreement_costs_nothing_even_where_probabilities_underflow(divergence):
    logits = torch.tensor([[1e4, 0.0], [0.0, 1e4]], requires_grad=True)
    loss = self_labeling_loss(logits, torch.eye(2), divergence=divergence)
    loss.backward()
    assert loss.item() == 0.0
    assert bool(logits.grad.isfinite().all())


@pytest.mark.parametrize("divergence", DIVERGENCES[1:])
def test_gradients_of_targets_stay_finite_where_a_target_is_zero(divergence):
    targets = torch.tensor([[1.0, 0.0], [0.3, 0.7]], requires_grad=True)
    self_labeling_loss(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), targets, divergence=divergence).backward()
    assert bool(targets.grad.isfinite().all())


def test_confident_disagreement_costs_infinity_in_the_reverse_direction():
    assert self_labeling_loss(torch.tensor([[0.0, 5.0]]), torch.tensor([[1.0, 0.0]])).item() == math.inf


def test_shapes_must_agree_and_the_divergence_must_be_known():
    logits, targets = example()
    with pytest.raises(ValueError, match=r"one shape, got \[6, 4\] and \[6, 3\]"):
        self_labeling_loss(logits, targets[:, :3])
    with pytest.raises(ValueError, match="divergence must be one of 'reverse_cross_entropy', 'cross_entropy'"):
        self_labeling_loss(logits, targets, divergence="kl")
