"""The GEMINI objectives with their geometry bound, and virtual adversarial training added to any objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib._checks import check_positive
from paperlib.kernels import GramOperator
from paperlib.losses import gemini, virtual_adversarial_loss
from paperlib.neighbors import neighbor_distance
from paperlib.training.batches import rows_at
from paperlib.training.mean_prediction import mean_prediction
from paperlib.training.objectives import MutualInformation, Objective
from paperlib.training.protocols import refuse_refreshed


@dataclass(frozen=True)
class Gemini:
    """Minus :func:`paperlib.losses.gemini`, with what it has to know of where the samples lie.

    Attributes:
        objective: one of the twelve.
        features: for all samples, ``[n, d]``; see there. Batches of it are moved to the logits, so it may be larger
            than their device.
        distance: with ``features`` and a Wasserstein objective: a function from the ``[b, d]`` of a batch to distances
            ``[b, b]``, Euclidean when None.
        affinity: kernel or distances of all samples, ``[n, n]``, or a kernel's `paperlib.kernels.GramOperator`.
        entropic: see there.
        n_pairs: see there.
        generator: see there.
    """

    objective: str
    features: Tensor | None = None
    distance: Callable[[Tensor], Tensor] | None = None
    affinity: Tensor | GramOperator | None = None
    entropic: float | None = None
    n_pairs: int | None = None
    generator: torch.Generator | None = None

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """Minus the objective of ``logits``, shape ``[n, k]``, or ``[v, n, k]`` for the mean prediction over views."""
        logits = mean_prediction(logits)
        features, affinity = self.features, self.affinity
        if features is not None:
            features = rows_at(features, index).to(logits)
            if self.distance is not None:
                affinity = self.distance(features)
                features = None
        elif isinstance(affinity, GramOperator):
            affinity = GramOperator(rows_at(affinity.x, index).to(logits), affinity.kernel)
        elif affinity is not None:
            affinity = (affinity if index is None else rows_at(rows_at(affinity, index).mT, index).mT).to(logits)
        return -gemini(
            logits,
            self.objective,
            features=features,
            affinity=affinity,
            entropic=self.entropic,
            n_pairs=self.n_pairs,
            generator=self.generator,
        )


@dataclass(frozen=True)
class VirtualAdversarial:
    """An objective plus ``weight`` times :func:`paperlib.losses.virtual_adversarial_loss` of the same batch.

    With `train`, the samples of ``x`` are perturbed as they are, whatever the views are that the objective sees. Logits
    ``[n, k]`` count as predictions for ``x`` and save a pass: a single view must not be augmented. A run that is to
    resume to the last bit leaves ``generator`` at None.

    Attributes:
        objective: to which it is added.
        model: what is trained.
        x: inputs of all samples, shape ``[n, ...]``, floating point.
        weight: at least zero.
        radius: of the perturbation, in the unit of ``x``; or one for each sample, shape ``[n]``.
        generator: draws the first directions.
    """

    objective: Objective
    model: nn.Module
    x: Tensor
    weight: float = 1.0
    radius: float | Tensor = 1.0
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        refuse_refreshed(self.objective, "VirtualAdversarial")

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The sum for ``logits``, shape ``[n, k]`` or ``[v, n, k]``, nats where the objective is in nats."""
        x = rows_at(self.x, index).to(logits.device)
        radius = rows_at(self.radius, index) if isinstance(self.radius, Tensor) else self.radius
        clean = logits.detach() if logits.ndim == 2 else None
        smoothness = virtual_adversarial_loss(self.model, x, clean, radius=radius, generator=self.generator)
        return self.objective(logits, index) + self.weight * smoothness


def imsat(
    model: nn.Module,
    x: Tensor,
    *,
    marginal_weight: float = 4.0,
    trade_off: float = 0.1,
    rank: int = 10,
    scale: float = 0.25,
    generator: torch.Generator | None = None,
) -> VirtualAdversarial:
    r"""IMSAT: mutual information and virtual adversarial training with a radius of its own for each sample.

    The authors minimise :math:`R_{vat} + \lambda\, [\overline{H(\sigma)} - \mu H(\bar\sigma)]`; here it is divided by
    :math:`\lambda`, and shifted by a constant, so that it is a `MutualInformation` loss with fairness weight
    :math:`\mu` plus :math:`R_{vat} / \lambda`.

    Source: Hu, Miyato, Tokui, Matsumoto and Sugiyama 2017 (arXiv 1702.08720), whose numbers are the defaults.
    Cost: O(n^2 d) for the neighbours, once, without an n x n matrix.

    Args:
        model: what is trained.
        x: inputs of all samples, shape ``[n, ...]``, floating point.
        marginal_weight: :math:`\mu`.
        trade_off: :math:`\lambda`, positive.
        rank: the radius is ``scale`` times the distance to the neighbour of this rank.
        scale: see ``rank``.
        generator: of the first directions.
    """
    radius = scale * neighbor_distance(x.flatten(1), rank=rank)
    weight = 1 / check_positive(trade_off, "trade_off")
    return VirtualAdversarial(MutualInformation(marginal_weight), model, x, weight, radius, generator)
