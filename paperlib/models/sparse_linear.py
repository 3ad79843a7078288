"""The linear softmax model with features that can be switched off."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole
from paperlib.models._initial import draw
from paperlib.proximal import group_norms, group_soft_threshold


class SparseLinear(nn.Module):
    r"""Logits :math:`W x + b`, where a feature is off when its column of :math:`W` is zero.

    The columns are penalised alike, so bring the features to one scale first.

    Source: the linear model of Sparse GEMINI (Ohl et al., arXiv 2302.03391).

    Args:
        n_features: :math:`d`.
        n_clusters: :math:`k`.
        groups: whole numbers, shape ``[d]``: features of the same number go on and off together. When None, each
            feature by itself.
        generator: CPU generator of the first weights; torch's global one when None.

    Raises:
        ValueError: if a count is not at least one, or ``groups`` does not have an entry for each feature.
        TypeError: if ``groups`` is no tensor of whole numbers.
    """

    groups: Tensor | None

    def __init__(
        self,
        n_features: int,
        n_clusters: int,
        *,
        groups: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_whole(n_features, "n_features"), check_whole(n_clusters, "n_clusters")
        self.weight = nn.Parameter(torch.empty(n_clusters, n_features))
        self.bias = nn.Parameter(torch.empty(n_clusters))
        draw(self.weight, self.bias, generator)
        self.register_buffer("groups", groups, persistent=False)
        self.norms()  # refuses groups that do not fit

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``x``, shape ``[n, d]`` to ``[n, k]``. Cost: O(n k d)."""
        return nn.functional.linear(x, self.weight, self.bias)

    @torch.no_grad()
    def prox_(self, threshold: float) -> None:
        """Apply :func:`paperlib.proximal.group_soft_threshold` to the weights, in place."""
        self.weight.copy_(group_soft_threshold(self.weight, threshold, groups=self.groups))

    @torch.no_grad()
    def norms(self) -> Tensor:
        """What ``prox_`` shrinks: the norm of each group's columns, shape ``[number of groups]``."""
        return group_norms(self.weight, groups=self.groups)

    @torch.no_grad()
    def selected(self) -> Tensor:
        """Which features are on, shape ``[d]``, bool."""
        return (self.weight != 0).any(0)
