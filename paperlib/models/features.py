"""Models on top of given features: fixed maps before a layer, and logits that are free for each sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole


class Standardize(nn.Module):
    """Subtract a centre and divide by one scale for all features, so that distances keep their ratios.

    Args:
        mean: the centre, shape ``[d]``.
        scale: positive.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("scale", torch.as_tensor(scale, dtype=mean.dtype, device=mean.device))

    def forward(self, x: Tensor) -> Tensor:
        """Samples ``[n, ...]``, flattened, to ``[n, d]``."""
        return (x.flatten(1) - self.mean) / self.scale


class FreeLogits(nn.Module):
    """Logits of its own for each sample: a model that sees nothing and can follow any objective.

    The input is the place of the sample, so there are no predictions for other samples. Source: the categorical (Dirac)
    model of Ohl et al., arXiv 2210.06300.

    Args:
        n_samples: :math:`n`.
        n_clusters: :math:`k`.
        generator: of the first values, standard normal.
    """

    def __init__(self, n_samples: int, n_clusters: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        shape = check_whole(n_samples, "n_samples"), check_whole(n_clusters, "n_clusters")
        self.logits = nn.Parameter(torch.randn(shape, generator=generator))

    def forward(self, index: Tensor) -> Tensor:
        """Logits of the samples at the places ``[b]``, shape ``[b, k]``."""
        return self.logits[index]
