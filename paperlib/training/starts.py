"""Several short runs, of which the one of lowest loss is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from paperlib._checks import check_whole
from paperlib.training.loop import TrainedRun

_SHARE = 0.25  # of a run's records, the last of them, that its loss is the mean of


class LowestLoss(NamedTuple):
    """The start that was kept.

    Attributes:
        model: trained.
        run: its history.
        losses: `final_loss` of every start.
    """

    model: nn.Module
    run: TrainedRun
    losses: list[float]


def lowest_loss(train_one: Callable[[int], tuple[nn.Module, TrainedRun]], n_starts: int = 6) -> LowestLoss:
    """Train from several first weights and keep the model of lowest loss; no label is needed for that.

    Training a network to cluster is a search with many bad ends: two classes share a cluster, or a class has two. The
    loss knows, even after a short run: it is lower where that did not happen.

    Cost: that of the runs, one after the other; one model is kept beside the one that trains.

    Args:
        train_one: from 0, 1, ... to a new model that has been trained, with what `train` returned.
        n_starts: how many.

    Raises:
        ValueError: if ``n_starts`` is no whole number of at least 1.
    """
    check_whole(n_starts, "n_starts")
    model, run = train_one(0)
    losses = [final_loss(run)]
    for start in range(1, n_starts):
        other, its_run = train_one(start)
        losses.append(final_loss(its_run))
        if losses[-1] < min(losses[:-1]):
            model, run = other, its_run
    return LowestLoss(model, run, losses)


def final_loss(run: TrainedRun) -> float:
    """The mean loss over the last quarter of a run's records, which is less noisy than that of its last batch."""
    records = run.history[-max(1, round(_SHARE * len(run.history))) :]
    return sum(record["loss"] for record in records) / len(records)
