"""paperlib.models.mobilenet_v2: the network of the paper's table, and no other weights pass for its own."""

import pytest
import torch
from torch import nn

from paperlib.models.mobilenet_v2 import N_FEATURES, InvertedResidual, MobileNetV2

# Sandler et al. 2018, table 2, one row a block: expansion, output channels, stride.
BLOCKS = (
    [(1, 16, 1)]
    + [(6, 24, 2), (6, 24, 1)]
    + [(6, 32, 2)] + [(6, 32, 1)] * 2
    + [(6, 64, 2)] + [(6, 64, 1)] * 3
    + [(6, 96, 1)] * 3
    + [(6, 160, 2)] + [(6, 160, 1)] * 2
    + [(6, 320, 1)]
)  # fmt: skip


def random_state(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MobileNetV2().state_dict()


@pytest.fixture(scope="module")
def state():
    return random_state(0)


def test_features_are_1280_a_picture_at_any_size(state):
    model = MobileNetV2.from_state_dict(state)
    for sides in ((32, 32), (64, 96), (33, 47)):
        assert model(torch.zeros(2, 3, *sides)).shape == (2, N_FEATURES)


def test_the_parameters_are_counted_block_by_block():
    def convolution(n_in, n_out, size, groups=1):
        return n_in // groups * n_out * size**2 + 2 * n_out  # weights, then scale and shift of the normalisation

    expected = convolution(3, 32, 3) + convolution(320, N_FEATURES, 1)
    n_in = 32
    for expansion, n_out, _ in BLOCKS:
        hidden = n_in * expansion
        expected += convolution(n_in, hidden, 1) if expansion > 1 else 0
        expected += convolution(hidden, hidden, 3, groups=hidden) + convolution(hidden, n_out, 1)
        n_in = n_out
    assert sum(parameter.numel() for parameter in MobileNetV2().parameters()) == expected


def test_the_resolution_is_halved_where_the_table_has_stride_two(state):
    features = MobileNetV2.from_state_dict(state).features
    x = torch.zeros(1, 3, 64, 64)
    side = 32
    x = features[0](x)
    for block, (_, n_out, stride) in zip(features[1:-1], BLOCKS, strict=True):
        residual = x.shape[1] == n_out and stride == 1
        x, side = block(x), side // stride
        assert x.shape == (1, n_out, side, side)
        assert block.is_residual == residual


def test_the_keys_are_those_of_the_published_weights(state):
    assert len(state) == 52 * 6  # 52 convolutions, each with five tensors of its normalisation
    first = {"features.0.0.weight", "features.0.1.running_var", "features.1.conv.0.weight", "features.1.conv.3.weight"}
    later = {"features.2.conv.6.weight", "features.17.conv.7.bias", "features.18.0.weight", "features.18.1.weight"}
    assert first | later <= state.keys()
    assert "features.1.conv.6.weight" not in state  # no expansion in the first block


def test_a_block_is_its_three_convolutions_and_a_residual():
    block = InvertedResidual(4, 4, stride=1, expansion=2).double().eval()
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expand, depthwise, project = (layer.weight for layer in block.conv if isinstance(layer, nn.Conv2d))
    scale = 1 / torch.sqrt(torch.tensor(1 + 1e-5, dtype=torch.float64))  # a fresh normalisation in evaluation mode
    hidden = (torch.einsum("hc,ncij->nhij", expand[:, :, 0, 0], x) * scale).clamp(0, 6)
    padded = nn.functional.pad(hidden, (1, 1, 1, 1))
    filtered = sum(
        depthwise[:, 0, i, j, None, None] * padded[:, :, i : i + 5, j : j + 5] for i in range(3) for j in range(3)
    )
    filtered = (filtered * scale).clamp(0, 6)
    expected = x + torch.einsum("ch,nhij->ncij", project[:, :, 0, 0], filtered) * scale
    torch.testing.assert_close(block(x), expected)


def test_the_same_weights_give_the_same_features_and_no_gradient(state):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    first, second = (MobileNetV2.from_state_dict(state) for _ in range(2))
    assert torch.equal(first(images), second(images))
    assert not first(images).requires_grad
    assert not first.training
    assert not torch.equal(first(images), MobileNetV2.from_state_dict(random_state(1))(images))


def test_missing_unknown_and_misshapen_weights_are_named(state):
    wrong = {key: value for key, value in state.items() if key != "features.0.0.weight"}
    wrong |= {"classifier.1.weight": torch.zeros(1), "features.18.0.weight": torch.zeros(3, 3)}
    with pytest.raises(ValueError, match="not weights of a headless MobileNetV2") as caught:
        MobileNetV2.from_state_dict(wrong)
    message = str(caught.value)
    assert "1 missing keys: features.0.0.weight" in message
    assert "1 unknown keys: classifier.1.weight" in message
    assert "1 wrong shapes: features.18.0.weight [3, 3] instead of [1280, 320, 1, 1]" in message


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 3, 31, 32)])
def test_images_of_another_shape_are_refused(state, shape):
    with pytest.raises(ValueError, match=r"\[n, 3, h, w\] with h and w >= 32 is needed"):
        MobileNetV2.from_state_dict(state)(torch.zeros(shape))
