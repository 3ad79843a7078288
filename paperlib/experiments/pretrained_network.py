"""ResNet-18 with a trunk from a file, for images as they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from paperlib.experiments.image_sets import ImageSet
from paperlib.models import ResNet, load_trunk, resnet18


class Trunk(NamedTuple):
    """Pretrained weights: the file's name without its ending, for the rows, and the state dict."""

    name: str
    state: dict[str, Tensor]


def read_trunk(path: str | Path) -> Trunk:
    """Weights from a safetensors file, or from one of torch's, of which nothing but plain data is read.

    Raises:
        OSError: if there is no such file, or it cannot be read.
        ValueError: if it holds no tensors by name, at the top or under ``"state_dict"`` or ``"model"``.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        found: Any = load_file(path)
    else:
        found = torch.load(path, weights_only=True, map_location="cpu")
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    items = found.items() if isinstance(found, dict) else ()
    state = {name: value for name, value in items if isinstance(value, Tensor)}
    if not state:
        raise ValueError(f"{path} holds no tensors by name; give a state dict, see paperlib.models.load_trunk")
    return Trunk(path.name.split(".")[0], state)


class Normalized(nn.Module):
    """Images with each channel shifted and scaled, as the pretrained weights expect them."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map ``[b, c, h, w]`` to the same shape."""
        return (images - self.mean) / self.std


class PretrainedNetwork(nn.Module):
    """ResNet-18 for images from 0 to 1, normalised on the way in; the head is random.

    Args:
        given: the set of images.
        trunk: its weights; random ones when None.
        generator: of the random weights.

    Raises:
        ValueError: if the trunk does not fit, see `load_trunk`.
    """

    def __init__(self, given: ImageSet, trunk: Trunk | None, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.normalized = Normalized(given.mean, given.std)
        self.network: ResNet = resnet18(given.n_clusters, stem=given.stem, generator=generator)
        if trunk is not None:
            load_trunk(self.network, trunk.state)

    def forward(self, images: Tensor) -> Tensor:
        """Map ``[b, 3, h, w]`` to logits ``[b, k]``."""
        return self.network(self.normalized(images))

    @property
    def features(self) -> nn.Sequential:
        """The network without its head, sharing its weights: images to ``[b, 512]``."""
        return nn.Sequential(self.normalized, self.network.features)
