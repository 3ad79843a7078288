"""Residual networks: the published shapes, torchvision's names, and no other weights pass for theirs."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from paperlib.models import ResNet, load_trunk, resnet18, resnet34
from paperlib.models.resnet import BasicBlock


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def norm_shapes(name, n):
    vectors = dict.fromkeys((f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")), (n,))
    return vectors | {f"{name}.num_batches_tracked": ()}


def torchvision_shapes(blocks=(2, 2, 2, 2), stem=7):
    """Keys and shapes of torchvision's residual network of basic blocks, by its rule."""
    shapes = {"conv1.weight": (64, 3, stem, stem)} | norm_shapes("bn1", 64)
    n_in = 64
    for stage, repeats in enumerate(blocks, start=1):
        n = 64 * 2 ** (stage - 1)
        for block in range(repeats):
            name = f"layer{stage}.{block}"
            shapes |= {f"{name}.conv1.weight": (n, n_in, 3, 3)} | norm_shapes(f"{name}.bn1", n)
            shapes |= {f"{name}.conv2.weight": (n, n, 3, 3)} | norm_shapes(f"{name}.bn2", n)
            if n_in != n:
                shapes |= {f"{name}.downsample.0.weight": (n, n_in, 1, 1)} | norm_shapes(f"{name}.downsample.1", n)
            n_in = n
    return shapes


def random_state(shapes, seed=0):
    draws = generator(seed)
    return {
        key: torch.tensor(7) if shape == () else torch.rand(shape, generator=draws) for key, shape in shapes.items()
    }


@pytest.mark.parametrize(
    ("make", "blocks", "stem", "size"),
    [(resnet18, (2, 2, 2, 2), "imagenet", 7), (resnet18, (2, 2, 2, 2), "stl", 3), (resnet34, (3, 4, 6, 3), "cifar", 3)],
)
def test_the_trunk_has_the_names_and_shapes_of_torchvisions(make, blocks, stem, size):
    model = make(10, stem=stem)
    shapes = {key: tuple(value.shape) for key, value in model.features.state_dict().items()}
    assert shapes == torchvision_shapes(blocks, size)
    assert list(shapes) == list(torchvision_shapes(blocks, size))


def test_parameters_are_counted_as_torchvision_counts_them():
    def count(**options):
        return sum(p.numel() for p in resnet18(1000, **options).parameters())

    assert count(stem="imagenet") == 11_689_512  # stated in torchvision's documentation of ResNet18_Weights
    assert count(stem="cifar") == count(stem="stl") == 11_689_512 - 3 * 64 * (49 - 9)


def normalized(x):
    return (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize(("n_in", "n_out", "stride"), [(4, 4, 1), (4, 6, 2), (4, 4, 2), (4, 6, 1)])
def test_a_block_adds_two_convolutions_to_its_input_or_to_a_projection(n_in, n_out, stride):
    block = BasicBlock(n_in, n_out, stride=stride, generator=generator()).double()
    x = torch.randn(3, n_in, 7, 7, generator=generator(1), dtype=torch.float64)
    z = normalized(functional.conv2d(x, block.conv1.weight, stride=stride, padding=1)).clamp_min(0)
    z = normalized(functional.conv2d(z, block.conv2.weight, padding=1))
    if stride == 1 and n_in == n_out:
        assert block.downsample is None
        shortcut = x
    else:
        projected = torch.einsum("oc,nchw->nohw", block.downsample[0].weight[:, :, 0, 0], x)
        shortcut = normalized(projected[:, :, ::stride, ::stride])
    torch.testing.assert_close(block(x), (z + shortcut).clamp_min(0))


@pytest.mark.parametrize(
    ("stem", "side", "sides"),
    [("cifar", 32, (32, 16, 8, 4)), ("stl", 96, (49, 25, 13, 7)), ("imagenet", 64, (16, 8, 4, 2))],
)
def test_each_stage_halves_the_map_after_the_stem_has_done_its_part(stem, side, sides):
    model, seen = resnet18(10, stem=stem).eval(), []
    for stage in (1, 2, 3, 4):
        model.features.get_submodule(f"layer{stage}").register_forward_hook(lambda *args: seen.append(args[2]))
    with torch.no_grad():
        x = torch.randn(1, 3, side, side, generator=generator())
        features = model.features(x)
        assert [tuple(z.shape[1:]) for z in seen] == [(64 * 2**i, s, s) for i, s in enumerate(sides)]
        torch.testing.assert_close(features, seen[-1].flatten(2).mean(2))
        torch.testing.assert_close(model(x), features @ model.head.weight.T + model.head.bias)
    assert features.shape == (1, model.n_features)


def test_first_weights_of_convolutions_have_the_deviation_of_the_sources():
    model = ResNet((1, 1, 1, 1), 10, generator=generator())
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            expected = (2 / (layer.out_channels * layer.kernel_size[0] ** 2)) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.05), name


def as_scan(state):
    renamed = {f"module.backbone.{key.replace('downsample', 'shortcut')}": value for key, value in state.items()}
    return renamed | {"module.contrastive_head.0.weight": torch.zeros(4, 512)}


def as_torchvision(state):
    return state | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


def as_old(state):
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


@pytest.mark.parametrize("dressed", [dict, as_scan, as_torchvision, as_old])
def test_a_public_checkpoint_fills_the_trunk_and_leaves_the_head(dressed, tmp_path):
    state = random_state(torchvision_shapes(stem=3))
    torch.save(dressed(state), tmp_path / "checkpoint.pth")
    model = resnet18(10, generator=generator(1))
    head = model.head.weight.clone()
    load_trunk(model, torch.load(tmp_path / "checkpoint.pth", weights_only=True))
    loaded = model.features.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in as_old(state))
    assert loaded["bn1.num_batches_tracked"] == (0 if dressed is as_old else 7)
    assert torch.equal(model.head.weight, head)


def without(state, *keys):
    return {key: value for key, value in state.items() if key not in keys}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "bn1.bias", "layer4.1.conv2.weight"), "2 missing: bn1.bias, layer4.1.conv2.weight\\)"),
        (lambda s: s | {"extra.weight": torch.zeros(1)}, r"\(1 not known: extra.weight\)"),
        (
            lambda s: s | {"conv1.weight": torch.zeros(64, 3, 7, 7)},
            r"1 of another shape: conv1.weight \[64, 3, 7, 7\] instead of \[64, 3, 3, 3\]\); give that of a network of",
        ),
        (lambda s: random_state(torchvision_shapes((3, 4, 6, 3), 3)), "not known: layer1.2.conv1.weight"),
        (lambda s: {"state_dict": s}, r"got 0 among 1 keys \(state_dict, ...\); give the state dict of one network"),
        (lambda s: {f"{side}.{key}": s[key] for side in "qk" for key in s}, "got 2 among"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name_and_change_nothing(change, message):
    model = resnet18(10, generator=generator(1))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_trunk(model, change(random_state(torchvision_shapes(stem=3))))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resnet18(10, stem="mnist"), "stem must be one of cifar, stl, imagenet, got 'mnist'"),
        (lambda: ResNet((1, 1, 1), 10), r"blocks must hold four numbers, one a stage, got \(1, 1, 1\)"),
        (lambda: ResNet((1, 0, 1, 1), 10), "a number in blocks must be a whole number of at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
