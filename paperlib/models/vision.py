"""Any classifier of torchvision, with a head for clusters."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from paperlib._checks import check_whole
from paperlib.models._initial import linear


def torchvision_model(
    name: str, n_clusters: int, *, weights: Any = None, generator: torch.Generator | None = None
) -> nn.Module:
    """A model of torchvision by its name, whose last linear layer gives ``n_clusters`` logits.

    ``weights`` trained with labels, such as ImageNet's, lend the network what those labels taught: say so beside every
    result.

    Args:
        name: as ``torchvision.models.list_models()`` has it, such as ``"resnet50"`` or ``"convnext_tiny"``.
        n_clusters: :math:`k`.
        weights: as torchvision takes them, such as ``"DEFAULT"``; None for first weights, drawn by torchvision from
            torch's global generator.
        generator: CPU generator of the new layer's first weights; torch's global one when None.

    Raises:
        ImportError: if torchvision is not installed, with the extra to install.
        ValueError: if ``n_clusters`` is no whole number of at least 1, or the model has no linear layer.
    """
    check_whole(n_clusters, "n_clusters")
    try:
        from torchvision.models import get_model
    except ImportError as error:
        raise ImportError("this needs torchvision; install it with: pip install 'paperlib[vision]'") from error
    model = get_model(name, weights=weights)
    layers = [(place, layer) for place, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise ValueError(f"{name} has no linear layer that could be replaced by a head of {n_clusters} clusters")
    place, last = layers[-1]
    parent, _, own = place.rpartition(".")
    setattr(model.get_submodule(parent), own, linear(last.in_features, n_clusters, generator))
    return model
