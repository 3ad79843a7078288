"""Objectives of models with several heads, and which head to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn

from paperlib._checks import check_choice, check_whole
from paperlib.data.augmentations import Draws
from paperlib.training.config import Precision
from paperlib.training.objectives import Objective
from paperlib.training.predict import arranged, autocast, by_view, mode
from paperlib.training.protocols import refuse_refreshed
from paperlib.training.seeds import CHOICE, generator_for
from paperlib.training.views import Views


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


class HasHeads(Protocol):
    """An objective that knows the loss of each head: `EachHead`, `paperlib.training.Crlc`."""

    def per_head(self, outputs: Any, index: Tensor | None = None) -> Tensor:
        """Shape ``[h]``."""
        ...


@torch.no_grad()
def head_losses(
    model: nn.Module,
    objective: HasHeads,
    data: Views | Tensor,
    *,
    batch_size: int = 256,
    seed: int = 0,
    precision: Precision = "float32",
    channels_last: bool = False,
) -> Tensor:
    """The loss of each head over one pass through the data, in evaluation mode; the lowest chooses a head.

    Labels are not asked, unlike where a paper reports its best head. Batches are random, and as large as in training,
    since a loss may depend on that; a last one that is not full is dropped.

    Cost: one forward pass for every view of every sample.

    Args:
        model: as for `train`.
        objective: of the run.
        data: as for `train`.
        batch_size: samples in a batch, each in all its views; at most as many as there are.
        seed: of the order and the views.
        precision: as in `TrainingConfig`.
        channels_last: likewise.

    Returns:
        Shape ``[h]``, on the model's device.

    Raises:
        TypeError: if the objective does not know the loss of each head.
        ValueError: if ``batch_size`` is no whole number above zero, or ``precision`` is none of those.
    """
    if not hasattr(objective, "per_head"):
        raise TypeError(f"{type(objective).__name__} has no loss of each head; wrap it in EachHead")
    check_choice(precision, "precision", get_args(Precision))
    views = data if isinstance(data, Views) else Views(data)
    size, n_views = min(check_whole(batch_size, "batch_size"), len(views)), len(views.augmentations)
    device = next(model.parameters()).device
    order = torch.randperm(len(views), generator=generator_for(seed, CHOICE, 0))
    losses = []
    with mode(model, training=False):
        for step in range(len(views) // size):
            index = order[step * size :][:size]
            draws = Draws(size, generator_for(seed, CHOICE, step + 1, device), device=device)
            x = arranged(views.draw(index, draws, device).flatten(0, 1), channels_last)
            with autocast(device, precision):
                outputs = model(x)
            several = outputs if isinstance(outputs, tuple) else (outputs,)
            given = tuple(by_view(one, n_views, precision) for one in several)
            losses.append(objective.per_head(given if isinstance(outputs, tuple) else given[0], index))
    return torch.stack(losses).mean(0)


def best_head(losses: Tensor) -> int:
    """The place of the lowest of ``losses`` ``[h]`` that is a number.

    Raises:
        ValueError: if none is finite.
    """
    if not bool(losses.isfinite().any()):
        raise ValueError(
            f"no head has a finite loss, got {losses.tolist()}; lower the learning rate, or rescale the data"
        )
    return int(losses.nan_to_num(torch.inf).argmin())
