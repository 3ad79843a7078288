"""The multilayer perceptron against its own sums, and its first weights against torch's."""

import pytest
import torch
from torch import nn

from paperlib.models import MLP


def made_by_torch(seed, *layers):
    """Torch's own layers, drawn after torch.manual_seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(*(layer() for layer in layers))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_logits_equal_the_sums_with_an_activation_after_each_hidden_layer_only(activation):
    model = MLP(3, 4, hidden=(5, 6), activation=activation, generator=generator()).double()
    x = torch.randn(7, 3, generator=generator(1), dtype=torch.float64)
    (w1, b1), (w2, b2), (w3, b3) = (
        (layer.weight, layer.bias) for layer in model.layers if isinstance(layer, nn.Linear)
    )
    bend = {"relu": lambda z: z * (z > 0), "tanh": lambda z: (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())}[
        activation
    ]
    expected = torch.stack([w3 @ bend(w2 @ bend(w1 @ row + b1) + b2) + b3 for row in x])
    torch.testing.assert_close(model(x), expected)


def test_a_seed_gives_the_weights_that_torch_gives_to_the_last_bit():
    ours = MLP(3, 4, hidden=(50, 6), generator=generator(7))
    theirs = made_by_torch(
        7, lambda: nn.Linear(3, 50), nn.ReLU, lambda: nn.Linear(50, 6), nn.ReLU, lambda: nn.Linear(6, 4)
    )
    x = torch.randn(9, 3, generator=generator(1))
    assert torch.equal(ours(x), theirs(x))
    with torch.random.fork_rng():
        torch.manual_seed(7)
        assert torch.equal(MLP(3, 4, hidden=(50, 6))(x), theirs(x))


def test_a_generator_of_its_own_leaves_the_global_one_alone():
    before = torch.random.get_rng_state()
    MLP(3, 4, batch_norm=True, generator=generator())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_batch_normalisation_comes_before_each_activation():
    model = MLP(3, 2, hidden=(5,), batch_norm=True, generator=generator()).double()
    x = torch.randn(8, 3, generator=generator(1), dtype=torch.float64)
    first, last = model.layers[0], model.layers[-1]
    z = x @ first.weight.T + first.bias
    z = (z - z.mean(0)) / (z.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(model(x), z.clamp(min=0) @ last.weight.T + last.bias)


def test_images_are_flattened():
    model = MLP(12, 2, generator=generator())
    images = torch.randn(5, 3, 2, 2, generator=generator(1))
    assert torch.equal(model(images), model(images.reshape(5, 12)))


def test_without_hidden_layers_it_is_linear():
    model = MLP(3, 2, hidden=(), generator=generator())
    (layer,) = model.layers
    x = torch.randn(5, 3, generator=generator(1))
    torch.testing.assert_close(model(x), x @ layer.weight.T + layer.bias)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MLP(3, 2, activation="gelu"), "activation must be 'relu' or 'tanh', got 'gelu'"),
        (lambda: MLP(0, 2), "n_features must be a whole number of at least 1, got 0"),
        (lambda: MLP(3, 2.5), "n_clusters must be a whole number of at least 1, got 2.5"),
        (lambda: MLP(3, 2, hidden=(4, 0)), "a width in hidden must be a whole number of at least 1, got 0"),
        (lambda: MLP(3, 2)(torch.zeros(5, 4)), r"x has shape \[5, 4\]; \[n, ...\] with 3 entries a sample is needed"),
        (lambda: MLP(3, 2)(torch.zeros(3)), r"x has shape \[3\]"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
