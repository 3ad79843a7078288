"""Several heads in one product are that many linear layers."""

import pytest
import torch
from torch import nn

from paperlib.models import MultiHead


def trunk():
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh())


def model_of(seed=0, **options):
    return MultiHead(trunk(), 5, 3, n_heads=4, generator=torch.Generator().manual_seed(seed), **options)


def samples(n=7):
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(1))


def layers_made_by_torch(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return [nn.Linear(5, 3) for _ in range(4)]


def test_heads_are_linear_layers_made_one_after_another():
    model, x = model_of(), samples()
    logits, features = model(x), model.trunk(x)
    assert logits.shape == (7, 4, 3)
    for i, layer in enumerate(layers_made_by_torch()):
        assert torch.equal(model.weight[i], layer.weight)
        assert torch.equal(model.bias[i], layer.bias)
        torch.testing.assert_close(logits[:, i], layer(features))


def test_the_loss_of_one_head_moves_the_trunk_and_no_other_head():
    model = model_of()
    model(samples())[:, 2].square().sum().backward()
    for parameter in (model.weight, model.bias):
        assert parameter.grad[[0, 1, 3]].abs().max() == 0
        assert parameter.grad[2].abs().max() > 0
    assert model.trunk[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize("training", [True, False])
def test_one_head_is_a_network_of_its_own_on_the_same_trunk(training):
    model, x = model_of().double().train(training), samples().double()
    chosen = model.head(1)
    torch.testing.assert_close(chosen(x), model(x)[:, 1])
    assert chosen[0] is model.trunk
    assert all(module.training is training for module in chosen.modules())
    before = model.weight[1].clone()
    nn.init.zeros_(chosen[1].weight)
    assert torch.equal(model.weight[1], before)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_head_that_is_not_there_is_refused(index):
    with pytest.raises(IndexError, match=f"index must be one of 0, ..., 3, got {index}"):
        model_of().head(index)


@pytest.mark.parametrize("name", ["n_features", "n_clusters", "n_heads"])
def test_counts_of_zero_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got 0"):
        MultiHead(trunk(), **{"n_features": 5, "n_clusters": 3} | {name: 0})
