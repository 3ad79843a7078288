"""Residual networks of 18 and 34 layers, for small images as well as for ImageNet's, and checkpoints for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from paperlib._checks import check_whole
from paperlib.models._images import Images
from paperlib.models._initial import linear

Stem = Literal["cifar", "stl", "imagenet"]


def _convolution(n_in: int, n_out: int, size: int, stride: int, generator: torch.Generator | None) -> nn.Conv2d:
    layer = nn.utils.skip_init(nn.Conv2d, n_in, n_out, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    return layer


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions whose result is added to the input, or to a projection of it where the shape changes.

    Source: He, Zhang, Ren and Sun 2016 (arXiv 1512.03385), figure 2, with projections by 1 x 1 (their option B).
    """

    def __init__(self, n_in: int, n_out: int, *, stride: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.conv1 = _convolution(n_in, n_out, 3, stride, generator)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = _convolution(n_out, n_out, 3, 1, generator)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample: nn.Module | None = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(_convolution(n_in, n_out, 1, stride, generator), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, n_in, h, w]`` to ``[n, n_out, h / stride, w / stride]``, rounded up."""
        change = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)), inplace=True)))
        change += x if self.downsample is None else self.downsample(x)
        return relu(change, inplace=True)


class ResNetTrunk(nn.Module):
    """A residual network without its head: from images to the means over the last feature map, ``[n, 512]``.

    Its state dict has the keys of torchvision's, less those of ``fc``. For the arguments see :class:`ResNet`.
    """

    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module
    layer4: nn.Module

    def __init__(
        self, blocks: Sequence[int], *, in_channels: int = 3, stem: Stem, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if stem not in get_args(Stem):
            raise ValueError(f"stem must be one of {', '.join(get_args(Stem))}, got {stem!r}")
        if len(blocks) != 4:
            raise ValueError(f"blocks must hold four numbers, one a stage, got {blocks!r}")
        self.images = Images(in_channels)
        size, stride = (7, 2) if stem == "imagenet" else (3, 1)
        self.conv1 = _convolution(in_channels, 64, size, stride, generator)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool: nn.Module = {
            "cifar": nn.Identity(),
            "stl": nn.MaxPool2d(2, padding=1),
            "imagenet": nn.MaxPool2d(3, stride=2, padding=1),
        }[stem]
        n_in = 64
        for stage, repeats in enumerate(blocks, start=1):
            n_out = 64 * 2 ** (stage - 1)
            layer = nn.Sequential()
            for i in range(check_whole(repeats, "a number in blocks")):
                stride = 2 if stage > 1 and i == 0 else 1
                layer.append(BasicBlock(n_in, n_out, stride=stride, generator=generator))
                n_in = n_out
            setattr(self, f"layer{stage}", layer)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``[n, in_channels, h, w]`` to ``[n, 512]``; raises as :meth:`ResNet.forward` does."""
        x = self.maxpool(relu(self.bn1(self.conv1(self.images(images))), inplace=True))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


class ResNet(nn.Module):
    """A residual network of basic blocks and one linear head.

    Source: He, Zhang, Ren and Sun 2016 (arXiv 1512.03385). The stem ``"imagenet"`` is theirs: 7 x 7 filters at stride
    2, then max-pooling. The other two are those of the authors' code of SCAN (Van Gansbeke et al., arXiv 2005.12320),
    with 3 x 3 filters at stride 1: ``"cifar"`` without pooling, for images of 32 pixels (as SimCLR, arXiv 2002.05709,
    has it), ``"stl"`` with 2 x 2 max-pooling, for images of 96. First weights of convolutions are normal with variance
    2 / m, m being the outputs that one input takes part in, as in both that code and torchvision; the head's are
    torch's own.

    Args:
        blocks: number of blocks in each of the four stages, of 64, 128, 256 and 512 channels.
        n_clusters: :math:`k`.
        in_channels: 1 for grey images, 3 for colour.
        stem: what stands before the first stage: ``"cifar"``, ``"stl"`` or ``"imagenet"``.
        generator: CPU generator of the first weights; torch's global one when None.

    Attributes:
        features: a :class:`ResNetTrunk`, from images to ``[n, n_features]``.
        head: the linear layer from ``n_features`` to ``k``.
        n_features: 512.

    Raises:
        ValueError: if a number is no whole number of at least 1, ``blocks`` does not hold four, or ``stem`` is none
            of the three.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        n_clusters: int,
        *,
        in_channels: int = 3,
        stem: Stem = "cifar",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.features = ResNetTrunk(blocks, in_channels=in_channels, stem=stem, generator=generator)
        self.n_features = 512
        self.head = linear(self.n_features, check_whole(n_clusters, "n_clusters"), generator)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of floating-point images.

        Args:
            images: shape ``[n, in_channels, h, w]``, or ``[n, h, w]`` for one channel.

        Returns:
            Shape ``[n, k]``.

        Cost: each convolution takes its number of weights times the pixels of its map, an image.

        Raises:
            TypeError: if ``images`` does not hold floating-point numbers.
            ValueError: if it has another shape.
        """
        return self.head(self.features(images))


def resnet18(
    n_clusters: int, *, in_channels: int = 3, stem: Stem = "cifar", generator: torch.Generator | None = None
) -> ResNet:
    """The :class:`ResNet` with two blocks a stage."""
    return ResNet((2, 2, 2, 2), n_clusters, in_channels=in_channels, stem=stem, generator=generator)


def resnet34(
    n_clusters: int, *, in_channels: int = 3, stem: Stem = "cifar", generator: torch.Generator | None = None
) -> ResNet:
    """The :class:`ResNet` with 3, 4, 6 and 3 blocks a stage."""
    return ResNet((3, 4, 6, 3), n_clusters, in_channels=in_channels, stem=stem, generator=generator)


def load_trunk(model: ResNet, state: Mapping[str, Tensor]) -> None:
    """Load the trunk of ``model`` from the state dict of a public checkpoint; the head stays as it is.

    The keys are torchvision's, or those of SCAN's code (``shortcut`` for ``downsample``), after any prefix, such as
    ``backbone.`` or ``module.``: it is what stands before the ``conv1.weight`` of the stem. Keys without the prefix
    belong to other parts, and are left out, and so is the classifier ``fc``. The counters ``num_batches_tracked``,
    which old checkpoints do not have, may be missing. Read a file with ``torch.load(path, weights_only=True)``.

    Raises:
        ValueError: if no prefix or several are found, or a key of the trunk is missing, not known, or holds a tensor
            of the wrong shape. The model is not changed then.
    """
    stem = "conv1.weight"
    prefixes = [key.removesuffix(stem) for key in state if key.endswith(stem) and "layer" not in key]
    if len(prefixes) != 1:
        raise ValueError(
            f"one key must end in {stem!r} outside the stages 'layer1' to 'layer4', got {len(prefixes)} among "
            f"{len(state)} keys ({', '.join(list(state)[:3])}, ...); give the state dict of one network, which a "
            "checkpoint may hold under a key such as 'state_dict' or 'model'"
        )
    given = {
        key.removeprefix(prefixes[0]).replace(".shortcut.", ".downsample."): value
        for key, value in state.items()
        if key.startswith(prefixes[0]) and not key.startswith(f"{prefixes[0]}fc.")
    }
    expected = model.features.state_dict()
    faults = {
        "missing": [key for key in expected if key not in given and not key.endswith("num_batches_tracked")],
        "not known": [key for key in given if key not in expected],
        "of another shape": [
            f"{key} {list(given[key].shape)} instead of {list(value.shape)}"
            for key, value in expected.items()
            if key in given and given[key].shape != value.shape
        ],
    }
    if any(faults.values()):
        found = "; ".join(f"{len(keys)} {what}: {', '.join(keys[:3])}" for what, keys in faults.items() if keys)
        raise ValueError(
            f"the state dict does not fit the trunk ({found}); give that of a network of the same depth, stem and "
            "in_channels"
        )
    model.features.load_state_dict(expected | given)
