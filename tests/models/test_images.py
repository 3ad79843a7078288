"""What all networks for images share: what they take, and that weights come from their own generator."""

from functools import partial

import pytest
import torch

from paperlib.models import VGG4, ConvAutoencoder, ConvNet, MultiHead, resnet18
from paperlib.models._images import Images


def multi_head(n_clusters, *, generator=None, **options):
    trunk = ConvNet(n_clusters, image_size=12, widths=(4, 6), generator=generator, **options)
    return MultiHead(trunk.features, trunk.n_features, n_clusters, n_heads=3, generator=generator)


NETWORKS = {  # how to make it, and the side of its images here
    "ConvNet": (partial(ConvNet, image_size=12, widths=(4, 6)), 12),
    "VGG4": (partial(VGG4, image_size=8), 8),
    "resnet18": (resnet18, 16),
    "MultiHead": (multi_head, 12),
    "ConvAutoencoder": (partial(ConvAutoencoder, image_size=16), 16),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]


def model_of(make, seed=0, channels=3):
    return make(5, in_channels=channels, generator=torch.Generator().manual_seed(seed))


def images(side, n=3, channels=3):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(1))


def test_a_generator_makes_the_first_weights_and_leaves_the_global_one_alone(network):
    make, _ = network
    before = torch.random.get_rng_state()
    first, second, other = (model_of(make, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    for (name, p), q, r in zip(first.named_parameters(), second.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
        constant = p.numel() == 1 or p.std() == 0  # scales and shifts of normalisations, biases of zero
        assert constant or not torch.equal(p, r), name


def test_without_a_generator_weights_come_from_the_global_one(network):
    make, _ = network
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make(5, in_channels=3)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), model_of(make).parameters(), strict=True))


def test_in_evaluation_a_sample_does_not_depend_on_the_others(network):
    make, side = network
    model, x = model_of(make).double(), images(side).double()
    model(x)  # moves the running statistics
    model.eval()
    together = model(x)
    for i in range(len(x)):
        torch.testing.assert_close(model(x[i : i + 1]), together[i : i + 1])


def test_images_stored_with_channels_last_give_the_same_numbers(network):
    make, side = network
    model, x = model_of(make).double().eval(), images(side).double()
    expected = model(x)
    model.to(memory_format=torch.channels_last)
    torch.testing.assert_close(model(x.to(memory_format=torch.channels_last)), expected)


def test_every_weight_gets_a_gradient(network):
    make, side = network
    model = model_of(make)
    model(images(side)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_grey_images_need_no_axis_for_their_channel(network):
    make, side = network
    model, x = model_of(make, channels=1).eval(), images(side, channels=1)
    assert torch.equal(model(x.squeeze(1)), model(x))


def test_images_of_another_shape_or_type_are_refused(network):
    make, side = network
    model = model_of(make)
    for x in (images(side, channels=1), images(side)[0], images(side)[None]):
        with pytest.raises(ValueError, match=r"images has shape \[.*\]; \[n, 3, .*\] is needed"):
            model(x)
    with pytest.raises(TypeError, match=r"got torch.uint8; bytes from 0 to 255 become such by images.float\(\) / 255"):
        model(torch.zeros(2, 3, side, side, dtype=torch.uint8))


def test_another_side_is_refused_where_the_network_has_one():
    with pytest.raises(ValueError, match=r"\[2, 1, 9, 8\]; \[n, 1, 8, 8\] is needed: .* in_channels or image_size$"):
        Images(1, 8)(torch.zeros(2, 1, 9, 8))
    with pytest.raises(ValueError, match=r"\[2, 9, 8\]; \[n, 3, h, w\] is needed: .* with other in_channels$"):
        Images(3)(torch.zeros(2, 9, 8))
    assert Images(1)(torch.zeros(2, 9, 8)).shape == (2, 1, 9, 8)


@pytest.mark.parametrize("make", [make for make, _ in NETWORKS.values()], ids=NETWORKS)
@pytest.mark.parametrize("name", ["in_channels", "the first argument"])
def test_counts_of_zero_are_refused(make, name):
    count, channels = (5, 0) if name == "in_channels" else (0, 3)
    with pytest.raises(ValueError, match=r"(in_channels|n_clusters|latent) must be a whole number of at least 1"):
        make(count, in_channels=channels)
