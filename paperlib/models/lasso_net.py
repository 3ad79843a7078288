"""LassoNet: a network with features that can be switched off."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from paperlib._checks import check_weight, check_whole
from paperlib.models._initial import linear
from paperlib.proximal import group_norms, hierarchical_prox


class LassoNet(nn.Module):
    r"""Logits :math:`\Theta x + B \max(W x + a, 0) + b`: a linear skip layer beside a network of one hidden layer.

    A feature is off when its column of :math:`\Theta` is zero. After ``prox_`` each feature obeys
    :math:`\|W_j\|_\infty \le M \|\Theta_j\|_2`, so a feature that is off plays no part in the hidden layer either.
    Bring the features to one scale first: their columns are penalised alike.

    Source: Lemhadri, Ruan, Abraham and Tibshirani, LassoNet: a neural network with feature sparsity, JMLR 22 (2021);
    the network of Sparse GEMINI (Ohl et al., arXiv 2302.03391).

    Args:
        n_features: :math:`d`.
        n_clusters: :math:`k`.
        hidden: units of the hidden layer, :math:`h`.
        hierarchy: :math:`M`, at least zero; at zero ``prox_`` switches the hidden layer off.
        generator: CPU generator of the first weights; torch's global one when None.

    Attributes:
        skip: the layer of weight :math:`\Theta`, shape ``[k, d]``, without bias.
        hidden: the layer of weight :math:`W`, shape ``[h, d]``.
        output: the layer of weight :math:`B`, shape ``[k, h]``.

    Raises:
        ValueError: if a count is not at least one, or ``hierarchy`` not a finite number of at least zero.
    """

    def __init__(
        self,
        n_features: int,
        n_clusters: int,
        *,
        hidden: int = 10,
        hierarchy: float = 10.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_whole(n_features, "n_features"), check_whole(n_clusters, "n_clusters"), check_whole(hidden, "hidden")
        self.hierarchy = check_weight(hierarchy, "hierarchy")
        self.skip = nn.utils.skip_init(nn.Linear, n_features, n_clusters, bias=False)
        nn.init.kaiming_uniform_(self.skip.weight, a=math.sqrt(5), generator=generator)  # as torch's own layers start
        self.hidden = linear(n_features, hidden, generator)
        self.output = linear(hidden, n_clusters, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``x``, shape ``[n, d]`` to ``[n, k]``. Cost: O(n (k d + h d + k h))."""
        return self.skip(x) + self.output(torch.relu(self.hidden(x)))

    @torch.no_grad()
    def prox_(self, threshold: float) -> None:
        """Apply :func:`paperlib.proximal.hierarchical_prox` to the skip and the first hidden weights, in place."""
        skip, hidden = hierarchical_prox(self.skip.weight, self.hidden.weight, threshold, hierarchy=self.hierarchy)
        self.skip.weight.copy_(skip)
        self.hidden.weight.copy_(hidden)

    @torch.no_grad()
    def norms(self) -> Tensor:
        """What ``prox_`` shrinks: the norm of each feature's skip weights, shape ``[d]``."""
        return group_norms(self.skip.weight)

    @torch.no_grad()
    def selected(self) -> Tensor:
        """Which features are on, shape ``[d]``, bool."""
        return (self.skip.weight != 0).any(0)
