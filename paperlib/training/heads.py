"""Objectives of models with several heads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.training.objectives import Objective
from paperlib.training.protocols import refuse_refreshed


@dataclass(frozen=True)
class EachHead:
    """The mean of an objective over the heads of a model, such as `paperlib.models.MultiHead`.

    Source: Ji, Henriques and Vedaldi 2019 (IIC, arXiv 1807.06653), who train five heads on one trunk.

    Attributes:
        objective: of one head.
    """

    objective: Objective

    def __post_init__(self) -> None:
        refuse_refreshed(self.objective, "EachHead")

    def per_head(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The objective of each head, shape ``[h]``, of logits as below; the lowest chooses a head without labels.

        Raises:
            ValueError: if the logits have no axis of heads.
        """
        if logits.ndim < 3 or (index is not None and logits.shape[-3] != len(index)):
            raise ValueError(f"logits has shape {list(logits.shape)}; [b, h, k] or [v, b, h, k] is needed")
        return torch.stack([self.objective(one, index) for one in logits.unbind(-2)])

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The mean for logits ``[b, h, k]``, or ``[v, b, h, k]`` where there are several views."""
        return self.per_head(logits, index).mean()
