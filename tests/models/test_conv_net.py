"""The small convolutional network against its own sums."""

import pytest
import torch
from torch import nn

from paperlib.models import ConvNet


def images(n=4, channels=2, side=12):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def model_of(**options):
    options = {"in_channels": 2, "image_size": 12, "widths": (3, 5)} | options
    return ConvNet(4, generator=torch.Generator().manual_seed(0), **options).double()


def layers(model, kind):
    return [layer for layer in model.features if isinstance(layer, kind)]


def filtered(x, weight):
    """A convolution that keeps height and width, as sums over the offsets."""
    size, (height, width) = weight.shape[-1], x.shape[2:]
    padded = nn.functional.pad(x, [size // 2] * 4)
    return sum(
        torch.einsum("oc,nchw->nohw", weight[:, :, i, j], padded[:, :, i : i + height, j : j + width])
        for i in range(size)
        for j in range(size)
    )


def largest_of_four(x):
    height, width = (2 * (side // 2) for side in x.shape[2:])
    corners = [x[..., i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
    return torch.stack(corners).amax(0)


def normalized(x, norm):
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (variance + norm.eps).sqrt()


@pytest.mark.parametrize("options", [{}, {"kernel_size": 5}, {"kernel_size": 1, "widths": (3,)}, {"image_size": 11}])
def test_logits_equal_the_sums(options):
    model = model_of(**options)
    x = z = images(side=options.get("image_size", 12))
    for convolution, norm in zip(layers(model, nn.Conv2d), layers(model, nn.BatchNorm2d), strict=True):
        z = normalized(largest_of_four(filtered(z, convolution.weight)), norm).clamp_min(0)
    assert z[0].numel() == model.n_features == model.head.in_features
    torch.testing.assert_close(model.features(x), z.reshape(4, -1))
    torch.testing.assert_close(model(x), z.reshape(4, -1) @ model.head.weight.T + model.head.bias)


def usual_order(model, x):
    """The same layers in evaluation, with pooling last in each block."""
    for convolution, norm in zip(layers(model, nn.Conv2d), layers(model, nn.BatchNorm2d), strict=True):
        x = largest_of_four(norm(convolution(x)).clamp_min(0))
    return model.head(x.flatten(1))


def test_in_evaluation_pooling_commutes_with_the_rest_until_a_scale_is_negative():
    model, x = model_of(), images()
    model(x)
    model.eval()
    norms = layers(model, nn.BatchNorm2d)
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(2))
            norm.bias.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(3))
        norms[0].weight[1] = 0.0
        torch.testing.assert_close(model(x), usual_order(model, x))
        norms[0].weight[1] = -1.0
        assert (model(x) - usual_order(model, x)).abs().max() > 1e-3


def test_parameters_are_counted_block_by_block():
    model = ConvNet(10)
    convolutions = 9 * (1 * 32 + 32 * 64 + 64 * 128)
    norms = 2 * (32 + 64 + 128)
    assert sum(p.numel() for p in model.parameters()) == convolutions + norms + 128 * 3 * 3 * 10 + 10


def test_a_seed_gives_the_weights_that_torch_gives_to_the_last_bit():
    ours = model_of().float()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = [nn.Conv2d(2, 3, 3, bias=False), nn.Conv2d(3, 5, 3, bias=False), nn.Linear(5 * 3 * 3, 4)]
    for layer, other in zip([*layers(ours, nn.Conv2d), ours.head], theirs, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(layer.parameters(), other.parameters(), strict=True))


def test_gradients_equal_finite_differences():
    model = model_of(image_size=6, in_channels=1, widths=(2, 2))
    names = [name for name, _ in model.named_parameters()]

    def logits(x, *parameters):
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), x)

    x = images(channels=1, side=6).requires_grad_()
    assert torch.autograd.gradcheck(logits, (x, *model.parameters()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": ()}, "widths must name the channels of at least one block, got none"),
        ({"widths": (3, 0)}, "a width in widths must be a whole number of at least 1, got 0"),
        ({"kernel_size": 4}, "kernel_size must be odd, so that height and width are kept, got 4"),
        ({"kernel_size": 0}, "kernel_size must be a whole number of at least 1, got 0"),
        ({"image_size": 3}, "image_size, for 2 halvings, must be a whole number of at least 4, got 3"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        model_of(**options)
