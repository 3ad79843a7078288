"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole
from paperlib.models._initial import linear

Activation = Literal["relu", "tanh"]


class MLP(nn.Module):
    """Logits from fully connected layers, with an activation after each hidden one.

    A hidden layer is linear, then (if asked for) batch normalisation, then the activation. Weights and biases start as
    torch's linear layers do, uniform within one over the root of the layer's inputs.

    Args:
        n_features: :math:`d`, the number of entries of one sample.
        n_clusters: :math:`k`.
        hidden: widths of the hidden layers; empty for a linear model.
        activation: ``"relu"`` or ``"tanh"``.
        batch_norm: whether to normalise before each activation.
        generator: CPU generator of the first weights; torch's global one when None.

    Raises:
        ValueError: if a width is no whole number of at least 1, or ``activation`` is neither of the two.
    """

    def __init__(
        self,
        n_features: int,
        n_clusters: int,
        *,
        hidden: Sequence[int] = (100,),
        activation: Activation = "relu",
        batch_norm: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if activation not in get_args(Activation):
            raise ValueError(f"activation must be 'relu' or 'tanh', got {activation!r}")
        width = self.n_features = check_whole(n_features, "n_features")
        layers: list[nn.Module] = []
        for n_out in hidden:
            layers.append(linear(width, check_whole(n_out, "a width in hidden"), generator))
            if batch_norm:
                layers.append(nn.BatchNorm1d(n_out))
            layers.append(nn.ReLU() if activation == "relu" else nn.Tanh())
            width = n_out
        self.layers = nn.Sequential(*layers, linear(width, check_whole(n_clusters, "n_clusters"), generator))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``x``, shape ``[n, ...]`` (each sample is flattened) to ``[n, k]``.

        Cost: O(n) times the number of weights.

        Raises:
            ValueError: if a sample has not ``n_features`` entries.
        """
        if x.ndim < 2 or x[0].numel() != self.n_features:
            raise ValueError(
                f"x has shape {list(x.shape)}; [n, ...] with {self.n_features} entries a sample is needed, as given in "
                "n_features"
            )
        return self.layers(x.flatten(1))
