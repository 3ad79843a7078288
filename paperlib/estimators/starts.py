"""First values of a linear softmax: from K-means or at random, at the temperature of lowest loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from paperlib.losses import mutual_information_loss
from paperlib.models import LinearSoftmax


def kmeans_start(x: NDArray[Any], n_clusters: int, *, prior: Tensor | None, seed: int) -> tuple[Tensor, Tensor]:
    r"""Weight ``[k, d]`` and bias ``[k]`` whose softmax is a soft K-means assignment.

    Logits :math:`-\|x - m_c\|^2 / T` less what is the same for all clusters are linear in :math:`x`; of all rows that
    give these predictions, those of least norm, which sum to zero, are returned. :math:`T` is the K-means loss a
    sample. With a prior, larger clusters go to larger proportions.
    """
    found = KMeans(n_clusters, n_init=1, random_state=seed).fit(x)
    mean = x.mean(0)
    centers = torch.from_numpy(found.cluster_centers_ - mean)
    if prior is not None:
        by_size = np.argsort(-np.bincount(found.labels_, minlength=n_clusters), kind="stable")
        order = torch.empty(n_clusters, dtype=torch.long)
        order[prior.cpu().argsort(descending=True, stable=True)] = torch.from_numpy(by_size)
        centers = centers[order]
    temperature = found.inertia_ / len(x) or 1.0
    return _about(mean, 2 * centers / temperature, -centers.square().sum(1) / temperature)


def random_start(x: NDArray[Any], n_clusters: int, *, prior: Tensor | None, seed: int) -> tuple[Tensor, Tensor]:
    """Weight ``[k, d]`` and bias ``[k]`` of random directions through the mean of the data; ``prior`` plays no part."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(n_clusters, x.shape[1], generator=generator, dtype=torch.float64)
    weight /= float(x.std(0).max()) or 1.0
    return _about(x.mean(0), weight, torch.zeros(n_clusters, dtype=torch.float64))


def _about(mean: NDArray[Any], weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The same predictions for raw inputs, where ``weight`` and ``bias`` are for inputs less their ``mean``."""
    weight = weight - weight.mean(0)
    bias = bias - weight @ torch.from_numpy(mean).to(weight)
    return weight, bias - bias.mean()


@torch.no_grad()
def tune_temperature(
    model: LinearSoftmax, x: Tensor, *, gamma: float, fairness_weight: float, prior: Tensor | None
) -> None:
    """Rescale the model's logits by the power of two, 2^-4 to 2^10, of lowest mutual information loss plus penalty.

    No smaller, because zero rows are a stationary point of every objective, which a search would not leave.
    """
    logits = all_logits(model, x)
    penalty = gamma * model.penalty()

    def loss(factor: float) -> float:
        information = mutual_information_loss(factor * logits, fairness_weight=fairness_weight, prior=prior)
        return float(information + factor**2 * penalty)

    model.rescale(min((2.0**power for power in range(-4, 11)), key=loss))


@torch.no_grad()
def all_logits(model: LinearSoftmax, x: Tensor) -> Tensor:
    """Logits of all of ``x``, shape ``[n, k]``, on the model's device; ``x`` moves there in parts."""
    return torch.cat([model(chunk.to(model.weight.device)) for chunk in x.split(65536)])


def path_to(gamma: float, first: float) -> list[float]:
    """Gammas from ``first`` down to ``gamma``, each half of the one before, the last one exact."""
    if not 0 < gamma < first:
        return [gamma]
    return [*(first * 0.5**step for step in range(math.ceil(math.log2(first / gamma)))), gamma]
