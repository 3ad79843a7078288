"""Both directions of fairness."""

import math

import pytest
import torch

from paperlib.losses import fairness_loss

MARGINAL = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
PRIOR = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)


def test_each_direction_equals_its_sum():
    forward = sum(u * math.log(u / m) for u, m in zip(PRIOR.tolist(), MARGINAL.tolist(), strict=True))
    reverse = sum(m * math.log(m / u) for u, m in zip(PRIOR.tolist(), MARGINAL.tolist(), strict=True))
    assert fairness_loss(MARGINAL, PRIOR).item() == pytest.approx(forward)
    assert fairness_loss(MARGINAL, PRIOR, direction="reverse").item() == pytest.approx(reverse)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_marginal_equal_to_the_prior_is_perfectly_fair(direction):
    assert fairness_loss(PRIOR, PRIOR, direction=direction).item() == pytest.approx(0, abs=1e-15)
    assert fairness_loss(torch.full((4,), 0.25), direction=direction).item() == pytest.approx(0, abs=1e-6)


def test_strong_fairness_forbids_an_empty_cluster_and_weak_fairness_does_not():
    empty = torch.tensor([0.5, 0.5, 0.0])
    assert fairness_loss(empty, direction="forward").item() == math.inf
    assert fairness_loss(empty, direction="reverse").item() == pytest.approx(math.log(3 / 2))


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_gradient_equals_finite_differences(direction):
    marginal = MARGINAL.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda given: fairness_loss(given, PRIOR, direction=direction), marginal)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_of_a_nearly_empty_cluster_is_its_logarithms(direction, dtype):
    for share in (1e-5, 1e-9, 1e-20, 1e-35):
        marginal = torch.tensor([0.75 - share, 0.25, share], dtype=dtype, requires_grad=True)
        (gradient,) = torch.autograd.grad(fairness_loss(marginal, direction=direction), marginal)
        expected = 1 - 1 / (3 * share) if direction == "forward" else math.log(3 * share)
        assert gradient[2].item() == pytest.approx(expected, rel=1e-5)
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("marginal", [[0.5, 0.5], torch.tensor([1, 0])])
def test_a_marginal_that_is_no_tensor_of_floats_is_refused(marginal):
    with pytest.raises(TypeError, match="marginal must be a floating-point tensor"):
        fairness_loss(marginal)


def test_an_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="direction must be 'forward' or 'reverse', got 'sideways'"):
        fairness_loss(MARGINAL, direction="sideways")
