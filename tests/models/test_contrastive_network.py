"""A trunk with cluster heads and an embedding."""

import math

import pytest
import torch
from torch import nn

from paperlib.models import ContrastiveNetwork


def model_of(seed=0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        trunk = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh())
    options = {"n_heads": 4, "n_hidden": 8, "n_embedding": 2, **options}
    return ContrastiveNetwork(trunk, 5, 3, generator=torch.Generator().manual_seed(seed), **options)


def samples(n=7):
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(1))


def test_a_head_is_two_layers_on_the_features_and_so_is_the_embedding():
    model, x = model_of().eval(), samples()
    logits, embedding = model(x)
    assert logits.shape == (7, 4, 3)
    assert embedding.shape == (7, 2)
    features = model.trunk(x)
    for i in range(4):
        rows = slice(8 * i, 8 * (i + 1))
        hidden = (features @ model.hidden.weight[rows].T).relu()
        torch.testing.assert_close(logits[:, i], hidden @ model.weight[i].T)
    first, _, last = model.embedding
    torch.testing.assert_close(embedding, (features @ first.weight.T).relu() @ last.weight.T)


def test_a_chosen_head_is_a_network_that_gives_its_logits():
    model, x = model_of(), samples()
    nn.init.normal_(model.bias)
    nn.init.normal_(model.hidden.bias)
    model.eval()
    for i in range(4):
        head = model.head(i)
        assert not head.training
        torch.testing.assert_close(head(x), model(x)[0][:, i])
    assert head[0] is model.trunk
    model.train()
    model.trunk.eval()
    assert model.head(0).training
    assert not model.trunk.training  # a trunk that is held still stays so
    assert head[3].weight.data_ptr() != model.weight.data_ptr()
    for outside in (-1, 4):
        with pytest.raises(IndexError, match=r"index must be one of 0, \.\.\., 3"):
            model.head(outside)


def test_first_weights_are_those_of_he_and_biases_zero_and_the_generator_decides():
    model, same, other = model_of(), model_of(), model_of(seed=1)
    for name, weight in model.named_parameters():
        if name.startswith("trunk"):
            continue
        if name.endswith("bias"):
            assert not weight.any()
            continue
        bound = math.sqrt(6 / weight.shape[-1])
        assert 0.5 * bound < weight.abs().max() <= bound
        assert torch.equal(weight, same.get_parameter(name))
        assert not torch.equal(weight, other.get_parameter(name))


def test_the_width_is_that_of_the_features_by_default():
    assert model_of(n_hidden=None).hidden.out_features == 4 * 5


def test_the_loss_of_one_head_moves_no_other_head():
    model = model_of()
    model(samples())[0][:, 2].square().sum().backward()
    assert model.trunk[0].weight.grad.abs().max() > 0
    assert [bool(one.any()) for one in model.weight.grad] == [False, False, True, False]
    assert [bool(one.any()) for one in model.hidden.weight.grad.split(8)] == [False, False, True, False]


@pytest.mark.parametrize("name", ["n_heads", "n_hidden", "n_embedding"])
def test_sizes_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got 0"):
        model_of(**{name: 0})
