"""The networks of deep self-labelling, and what they see of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib.data import Dataset
from paperlib.data.augmentations import Augmentation, Compose, RandomAffine, RandomHorizontalFlip, presets
from paperlib.experiments.deep_config import DeepConfig, NetworkName
from paperlib.models import VGG4, ConvNet, resnet18
from paperlib.runtime import resolve_device
from paperlib.training import Views, predict

MIRRORED = ("fashion_mnist", "cifar10", "cifar100_20", "stl10")


def augmentation(data: Dataset, network: NetworkName) -> Augmentation:
    """The random change of a view: affine for grey images, with a mirror for clothes; SimCLR's for colour.

    VGG4 on grey images has IIC's crops, which end in 24 pixels.
    """
    if not _is_grey(data):
        return presets.simclr(data.x.shape[-1])
    if network == "vgg4" and data.x.shape[-1] == 28:
        steps = list(presets.iic_mnist().augmentations)
    else:
        steps = [RandomAffine(degrees=15, translate=0.1, scale=(0.85, 1.15), shear=11, isotropic=False)]
    return Compose(*steps, *([RandomHorizontalFlip()] if data.name in MIRRORED else []))


def network(config: DeepConfig, data: Dataset, generator: torch.Generator) -> nn.Module:
    """The network of a configuration for images of a set, on the configuration's device."""
    channels, side = _shape(data)
    model: nn.Module
    if config.network == "resnet18":
        model = resnet18(config.n_clusters, in_channels=channels, generator=generator)
    elif config.network == "vgg4":
        side = 24 if side == 28 else side
        model = VGG4(config.n_clusters, in_channels=channels, image_size=side, generator=generator)
    else:
        model = conv_net(config.n_clusters, data, generator)
    return model.to(resolve_device(config.device))


def conv_net(n_clusters: int, data: Dataset, generator: torch.Generator) -> ConvNet:
    """Three small blocks for images of a set, two where these are tiny; on the CPU."""
    channels, side = _shape(data)
    widths = (32, 64, 128) if side > 8 else (16, 32)
    return ConvNet(n_clusters, in_channels=channels, image_size=side, widths=widths, generator=generator)


def views(config: DeepConfig, data: Dataset) -> Views:
    """Every image in two views, changed in the same way."""
    change = augmentation(data, config.network)
    return Views(data.x, [change, change])


def predictions(config: DeepConfig, model: nn.Module, data: Dataset) -> Tensor:
    """Logits of the images as they are, ``[n, k]``, on the CPU."""
    x = as_seen(data.x, config, data)
    return predict(model, x, precision=config.precision, channels_last=True).cpu()


def as_seen(x: Tensor, config: DeepConfig, data: Dataset) -> Tensor:
    """Images without augmentation: their middle where VGG4 takes 24 pixels of 28."""
    return x[..., 2:26, 2:26] if config.network == "vgg4" and _is_grey(data) and x.shape[-1] == 28 else x


def _shape(data: Dataset) -> tuple[int, int]:
    """Channels of the images, and their side in pixels."""
    return 1 if _is_grey(data) else 3, data.x.shape[-1]


def _is_grey(data: Dataset) -> bool:
    return data.x.ndim == 3
