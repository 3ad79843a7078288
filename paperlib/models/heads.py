"""Several linear heads on one trunk."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole
from paperlib.models._initial import draw


class MultiHead(nn.Module):
    """Heads that start from different weights and share one trunk, computed as one matrix product.

    Trained on the sum or mean of the heads' losses, the trunk serves them all; afterwards one head is chosen by its
    loss, without labels.

    Source: the sub-heads of IIC (Ji, Henriques and Vedaldi, arXiv 1807.06653), which has five; SCAN (arXiv 2005.12320)
    trains several heads likewise.

    Args:
        trunk: module from inputs to features ``[b, d]``, such as the ``features`` of another model.
        n_features: :math:`d`.
        n_clusters: :math:`k`.
        n_heads: :math:`h`.
        generator: CPU generator of the heads' first weights, which are those of as many linear layers made one after
            another; torch's global one when None.

    Raises:
        ValueError: if a number is no whole number of at least 1.
    """

    def __init__(
        self,
        trunk: nn.Module,
        n_features: int,
        n_clusters: int,
        *,
        n_heads: int = 5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_whole(n_features, "n_features"), check_whole(n_clusters, "n_clusters"), check_whole(n_heads, "n_heads")
        self.trunk = trunk
        self.weight = nn.Parameter(torch.empty(n_heads, n_clusters, n_features))
        self.bias = nn.Parameter(torch.empty(n_heads, n_clusters))
        for weight, bias in zip(self.weight, self.bias, strict=True):
            draw(weight, bias, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of all heads, shape ``[b, h, k]``. Cost beside the trunk's: O(b h k d)."""
        logits = nn.functional.linear(self.trunk(x), self.weight.flatten(0, 1), self.bias.flatten())
        return logits.unflatten(1, self.bias.shape)

    def head(self, index: int) -> nn.Sequential:
        """The network of one head: the trunk itself (shared), then a linear layer with a copy of the head's weights.

        Raises:
            IndexError: if ``index`` is not one of 0, ..., h - 1.
        """
        n_heads, n_clusters, n_features = self.weight.shape
        if not 0 <= index < n_heads:
            raise IndexError(f"index must be one of 0, ..., {n_heads - 1}, got {index}")
        layer = nn.utils.skip_init(
            nn.Linear, n_features, n_clusters, device=self.weight.device, dtype=self.weight.dtype
        )
        layer.load_state_dict({"weight": self.weight[index], "bias": self.bias[index]})
        network = nn.Sequential(self.trunk, layer)
        network.training = layer.training = self.training
        return network
