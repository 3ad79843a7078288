"""The linear softmax: its inner units must not show."""

import numpy as np
import pytest
import torch

from paperlib.losses import mutual_information_loss
from paperlib.models import LinearSoftmax, critical_gamma


def example():
    generator = torch.Generator().manual_seed(0)
    x = 5 + 3 * torch.randn(20, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    bias = torch.randn(4, generator=generator, dtype=torch.float64)
    return x, weight, bias


def test_inner_units_change_neither_logits_nor_penalty():
    x, weight, bias = example()
    for mean, scale in ((None, 1.0), (x.mean(0), 7.5)):
        model = LinearSoftmax(weight, bias, mean=mean, scale=scale)
        torch.testing.assert_close(model(x), x @ weight.T + bias)
        torch.testing.assert_close(model.coef, weight)
        torch.testing.assert_close(model.intercept, bias)
        torch.testing.assert_close(model.penalty(), weight.square().sum())


def test_the_penalty_leaves_the_bias_free():
    _, weight, bias = example()
    model = LinearSoftmax(weight, bias, scale=2.0)
    model.penalty().backward()
    assert model.bias.grad is None


def test_for_opposite_rows_the_penalty_is_half_of_the_theorys():
    _, weight, bias = example()
    rows = torch.stack([weight[0], -weight[0]])
    difference = rows[0] - rows[1]
    torch.testing.assert_close(LinearSoftmax(rows, bias[:2]).penalty(), 0.5 * difference.square().sum())


def test_a_saved_state_gives_the_same_logits_in_a_model_of_other_units():
    x, weight, bias = example()
    saved = LinearSoftmax(weight, bias, mean=x.mean(0), scale=7.0)
    other = LinearSoftmax(torch.zeros_like(weight), torch.zeros_like(bias))
    other.load_state_dict(saved.state_dict())
    torch.testing.assert_close(other(x), saved(x))


def test_rescaling_multiplies_the_logits():
    x, weight, bias = example()
    model = LinearSoftmax(weight, bias, mean=x.mean(0), scale=3.0)
    before = model(x)
    model.rescale(0.25)
    torch.testing.assert_close(model(x), 0.25 * before)


@pytest.mark.parametrize("d", [1, 2, 6, 40])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_the_critical_gamma_is_the_largest_variance_over_2k(d, offset):
    x = torch.randn(90, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + offset
    expected = np.linalg.eigvalsh(np.atleast_2d(np.cov(x.numpy().T, bias=True)))[-1] / 8
    assert critical_gamma(x, 4) == pytest.approx(expected, rel=1e-4)
    assert critical_gamma(x.float(), 4) == pytest.approx(expected, rel=1e-2)


def test_the_critical_gamma_is_where_the_curvature_at_zero_rows_changes_sign():
    x, _, _ = example()
    k = 3

    def loss(flat, gamma):
        rows = flat.view(k, 6)
        return mutual_information_loss((x - x.mean(0)) @ rows.T) + gamma * rows.square().sum()

    zero, critical = torch.zeros(k * 6, dtype=torch.float64), critical_gamma(x, k)
    for factor, sign in ((1.001, 1), (0.999, -1)):
        hessian = torch.autograd.functional.hessian(lambda flat, g=factor * critical: loss(flat, g), zero)
        assert np.sign(torch.linalg.eigvalsh(hessian)[0].item()) == sign


def test_constant_data_have_a_critical_gamma_of_zero():
    assert critical_gamma(torch.ones(5, 3), 2) == 0.0
