"""The convolutional autoencoder: shapes that come back, and a loss against its own sums."""

import pytest
import torch
from torch.nn import functional

from paperlib.models import ConvAutoencoder


def model_of(latent=3, **options):
    options = {"image_size": 12} | options
    return ConvAutoencoder(latent, generator=torch.Generator().manual_seed(0), **options)


def images(n=5, channels=1, side=12):
    return 2 * torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(1)) - 1


@pytest.mark.parametrize(
    ("side", "channels", "kernels", "paddings", "sides"),
    [
        (28, 1, (4, 5), (0, 2), (13, 7)),  # MNIST
        (16, 1, (4, 5), (0, 2), (7, 4)),  # USPS
        (32, 3, (4, 5), (2, 2), (17, 9)),  # CMU-PIE and FRGC
        (55, 3, (5, 4), (2, 0), (28, 13)),  # YouTube faces
        (29, 1, (4, 5), (0, 2), (13, 7)),  # a last row that no filter reaches
        (12, 1, (3, 3), (0, 1), (5, 3)),
        (7, 1, (4, 2), (0, 0), (2, 1)),
    ],
)
def test_maps_and_images_come_back_in_their_shapes(side, channels, kernels, paddings, sides):
    options = {"in_channels": channels, "image_size": side, "kernels": kernels, "paddings": paddings}
    model, x = model_of(**options).eval(), images(channels=channels, side=side)
    *hidden, code = model._encode(x, noisy=False)
    second, first, reconstruction = model._decode(code)
    assert [tuple(z.shape[1:]) for z in hidden] == [(50, s, s) for s in sides]
    assert (first.shape, second.shape) == (hidden[0].shape, hidden[1].shape)
    assert reconstruction.shape == x.shape
    assert (first[:, :, -1] != 0).any()
    assert code.shape == (5, 3)


def test_parameters_are_counted_layer_by_layer():
    n_hidden = 50 * 7 * 7
    encoder = (16 * 50 + 50) + (25 * 50 * 50 + 50) + (n_hidden * 10 + 10)
    decoder = (10 * n_hidden + n_hidden) + (25 * 50 * 50 + 50) + (16 * 50 + 1)
    assert sum(p.numel() for p in ConvAutoencoder(10).parameters()) == encoder + decoder


def by_hand(model, x, masks):
    """Code, loss: two encodings and a decoding written out; ``masks`` multiply what enters the two convolutions."""

    def leaky(z):
        return torch.where(z > 0, z, 0.01 * z)

    def encoded(first_mask, second_mask):
        first = leaky(functional.conv2d(x * first_mask, model.down[0].weight, model.down[0].bias, stride=2))
        second = functional.conv2d(first * second_mask, model.down[1].weight, model.down[1].bias, stride=2, padding=2)
        second = leaky(second)
        return first, second, torch.tanh(second.flatten(1) @ model.to_code.weight.T + model.to_code.bias)

    first, second, _ = encoded(1, 1)
    code = encoded(*masks)[2]
    layer = model.from_code[0]
    up2 = leaky(code @ layer.weight.T + layer.bias).reshape(second.shape)
    up1 = functional.conv_transpose2d(up2, model.up[0].weight, model.up[0].bias, stride=2, padding=2)
    up1 = leaky(up1)
    up0 = functional.conv_transpose2d(up1, model.up[1].weight, model.up[1].bias, stride=2).tanh()
    errors = [(a - b).square().mean() for a, b in ((up0, x), (up1, first), (up2, second))]
    return code, up0, errors[0] + 0.1 * errors[1] + 0.1 * errors[2]


def gradients(loss, model):
    return torch.autograd.grad(loss, list(model.parameters()))


def test_in_evaluation_code_images_and_loss_equal_the_sums():
    model, x = model_of().double().eval(), images().double()
    code, reconstruction, loss = by_hand(model, x, (1, 1))
    torch.testing.assert_close(model.encode(x), code)
    torch.testing.assert_close(model.decode(code), reconstruction)
    torch.testing.assert_close(model(x), reconstruction)
    torch.testing.assert_close(model.reconstruction_loss(x), loss)


def test_in_training_the_noisy_code_is_held_against_clean_maps():
    model, x = model_of().double(), images().double()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        masks = [functional.dropout(torch.ones(shape, dtype=torch.float64), 0.1) for shape in (x.shape, (5, 50, 5, 5))]
        torch.manual_seed(2)
        code, loss = model.code_and_loss(x)
        torch.manual_seed(2)
        torch.testing.assert_close(model.encode(x), code)
        torch.manual_seed(2)
        torch.testing.assert_close(model.reconstruction_loss(x), loss)
    expected_code, _, expected = by_hand(model, x, masks)
    torch.testing.assert_close(code, expected_code)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss, model), gradients(expected, model))
    assert not torch.allclose(code, model.eval().encode(x))


def test_first_weights_are_within_glorots_bounds_and_fill_them():
    model = model_of(latent=10)
    fans = {"down.0": (16, 800), "down.1": (1250, 1250), "up.0": (1250, 1250), "up.1": (800, 16)}
    fans |= {"to_code": (450, 10), "from_code.0": (10, 450)}
    for name, pair in fans.items():
        layer, bound = model.get_submodule(name), (6 / sum(pair)) ** 0.5
        assert 0.97 * bound < layer.weight.abs().max() <= bound, name
        assert layer.bias.abs().max() == 0


def test_training_lowers_the_loss():
    model, x = model_of(), images()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    first = model.eval().reconstruction_loss(x).item()
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for _ in range(60):
            optimizer.zero_grad()
            model.reconstruction_loss(x).backward()
            optimizer.step()
    assert model.eval().reconstruction_loss(x).item() < 0.8 * first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernels": (4,)}, r"kernels and paddings must hold two numbers each, got \(4,\) and \(0, 2\)"),
        ({"kernels": (0, 5)}, "a kernel must be a whole number of at least 1, got 0"),
        ({"paddings": (-1, 2)}, "a padding must be a whole number of at least 0, got -1"),
        ({"kernels": (13, 5)}, "a kernel of 13 is larger than a map of 12 with a padding of 0; give smaller"),
        ({"kernels": (4, 6), "paddings": (0, 0)}, "a kernel of 6 is larger than a map of 5 with a padding of 0"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        model_of(**options)
