"""A trunk with two kinds of heads: cluster predictions, and embeddings to contrast."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole


class ContrastiveNetwork(nn.Module):
    """One trunk, several small networks from its features to clusters, and one to an embedding.

    Cluster head: linear, ReLU, linear to ``n_clusters``. Embedding: linear, ReLU, linear to ``n_embedding``. Cluster
    heads start from different weights; one is chosen by its loss (`paperlib.training.head_losses`), without labels.

    Source: Do, Tran and Venkatesh 2021 (CRLC, arXiv 2107.11635); sizes and first weights (uniform by He et al. 2015,
    arXiv 1502.01852; biases zero) as in the authors' code, which has ten heads on 512 features.

    Args:
        trunk: module from inputs to features ``[b, n_features]``, such as the ``features`` of another model.
        n_features: of the trunk.
        n_clusters: :math:`k`.
        n_heads: :math:`h`, cluster heads.
        n_hidden: width of each head's middle layer; ``n_features`` when None.
        n_embedding: :math:`e`, entries of the embedding.
        generator: CPU generator of the heads' first weights; torch's global one when None.

    Raises:
        ValueError: if a number is no whole number of at least 1.
    """

    def __init__(
        self,
        trunk: nn.Module,
        n_features: int,
        n_clusters: int,
        *,
        n_heads: int = 10,
        n_hidden: int | None = None,
        n_embedding: int = 128,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_whole(n_features, "n_features"), check_whole(n_clusters, "n_clusters")
        check_whole(n_heads, "n_heads"), check_whole(n_embedding, "n_embedding")
        width = n_features if n_hidden is None else check_whole(n_hidden, "n_hidden")
        self.trunk = trunk
        self.hidden = nn.utils.skip_init(nn.Linear, n_features, n_heads * width)
        self.weight = nn.Parameter(torch.empty(n_heads, n_clusters, width))
        self.bias = nn.Parameter(torch.zeros(n_heads * n_clusters))  # one axis: optimisers may spare those
        layers = [nn.utils.skip_init(nn.Linear, *sizes) for sizes in ((n_features, width), (width, n_embedding))]
        self.embedding = nn.Sequential(layers[0], nn.ReLU(), layers[1])
        for layer in (self.hidden, *layers):
            nn.init.kaiming_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
        for weight in self.weight:
            nn.init.kaiming_uniform_(weight, generator=generator)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of all heads ``[b, h, k]``, and embeddings ``[b, e]``, not yet of length one.

        Cost beside the trunk's: O(b (h + 1) d w) for ``d`` features and width ``w``.
        """
        features = self.trunk(x)
        hidden = self.hidden(features).relu().unflatten(1, (len(self.weight), -1))
        logits = torch.einsum("bhw,hkw->bhk", hidden, self.weight).flatten(1) + self.bias
        return logits.unflatten(1, self.weight.shape[:2]), self.embedding(features)

    def head(self, index: int) -> nn.Sequential:
        """From inputs to logits ``[b, k]`` by one head: the trunk itself (shared), then copies of the head's layers.

        Raises:
            IndexError: if ``index`` is not one of 0, ..., h - 1.
        """
        n_heads, n_clusters, width = self.weight.shape
        if not 0 <= index < n_heads:
            raise IndexError(f"index must be one of 0, ..., {n_heads - 1}, got {index}")
        rows = slice(index * width, (index + 1) * width)
        like = {"device": self.weight.device, "dtype": self.weight.dtype}
        first = nn.utils.skip_init(nn.Linear, self.hidden.in_features, width, **like)
        first.load_state_dict({"weight": self.hidden.weight[rows], "bias": self.hidden.bias[rows]})
        last = nn.utils.skip_init(nn.Linear, width, n_clusters, **like)
        last.load_state_dict({"weight": self.weight[index], "bias": self.bias.view(n_heads, -1)[index]})
        layers = nn.Sequential(first, nn.ReLU(), last).train(self.training)
        network = nn.Sequential(self.trunk, *layers)
        network.training = self.training  # not by train(), which would change the trunk's
        return network
