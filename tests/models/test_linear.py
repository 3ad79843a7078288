"""The linear softmax: its inner units must not show."""

import torch

from paperlib.models import LinearSoftmax


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


def test_rescaling_multiplies_the_logits():
    x, weight, bias = example()
    model = LinearSoftmax(weight, bias, mean=x.mean(0), scale=3.0)
    before = model(x)
    model.rescale(0.25)
    torch.testing.assert_close(model(x), 0.25 * before)
