"""LeNet-5 against its own sums, and its first weights against torch's."""

import pytest
import torch
from torch import nn

from paperlib.models import LeNet5


def images(n=2, channels=1, side=32):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(1))


def model_of(seed=0, **options):
    return LeNet5(10, generator=torch.Generator().manual_seed(seed), **options)


def filtered(x, layer):
    """A convolution with 5 x 5 filters as sums over the offsets."""
    side = x.shape[-1] - 4
    shifted = {(i, j): x[:, :, i : i + side, j : j + side] for i in range(5) for j in range(5)}
    maps = sum(torch.einsum("oc,ncij->noij", layer.weight[:, :, i, j], part) for (i, j), part in shifted.items())
    return maps + layer.bias[:, None, None]


def halved(x):
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def test_logits_equal_the_sums():
    model, x = model_of().double(), images().double()
    c1, c2, c3 = (layer for layer in model.features if isinstance(layer, nn.Conv2d))
    z = halved(filtered(x, c1).tanh())
    assert z.shape == (2, 6, 14, 14)
    z = halved(filtered(z, c2).tanh())
    assert z.shape == (2, 16, 5, 5)
    z = filtered(z, c3).tanh().reshape(2, 120)
    (hidden,) = (layer for layer in model.features if isinstance(layer, nn.Linear))
    z = (z @ hidden.weight.T + hidden.bias).tanh()
    torch.testing.assert_close(model(x), z @ model.head.weight.T + model.head.bias)


@pytest.mark.parametrize(("channels", "n_features"), [(1, 84), (3, 250)])
def test_a_seed_gives_the_weights_that_torch_gives_to_the_last_bit(channels, n_features):
    ours = model_of(5, in_channels=channels, n_features=n_features)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        convolutions = [nn.Conv2d(n_in, n_out, 5) for n_in, n_out in ((channels, 6), (6, 16), (16, 120))]
        theirs = nn.ModuleList([*convolutions, nn.Linear(120, n_features), nn.Linear(n_features, 10)])
    assert all(torch.equal(p, q) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert ours(images(channels=channels)).shape == (2, 10)


def test_a_generator_of_its_own_leaves_the_global_one_alone():
    before = torch.random.get_rng_state()
    model_of()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_grey_images_need_no_axis_for_their_channel():
    model, x = model_of(), images()
    assert torch.equal(model(x.squeeze(1)), model(x))


@pytest.mark.parametrize(
    "x", [images(side=28), images(channels=3), torch.zeros(2, 28, 28), torch.zeros(32, 32)], ids=lambda x: str(x.shape)
)
def test_images_of_another_shape_are_refused(x):
    with pytest.raises(ValueError, match=r"\[n, 1, 32, 32\] is needed: pad smaller images with the value of their"):
        model_of()(x)


@pytest.mark.parametrize("name", ["n_clusters", "in_channels", "n_features"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got 0"):
        LeNet5(**{"n_clusters": 10, name: 0})
