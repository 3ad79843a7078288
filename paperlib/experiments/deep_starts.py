"""Several short starts, their consensus, and a new network that learns it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from paperlib.consensus import consensus
from paperlib.experiments.cells import checkpoints_of
from paperlib.experiments.deep_config import DeepConfig
from paperlib.experiments.deep_network import network, predictions, views
from paperlib.experiments.image_splits import ImageSplits
from paperlib.training import FixedLabels, MutualInformation, Scheduled, TrainedRun, final_loss, geometric, train


def train_start(
    config: DeepConfig,
    task: ImageSplits,
    seed: int,
    start: int,
    *,
    folder: str | Path | None = None,
    progress: bool = False,
) -> tuple[nn.Module, TrainedRun]:
    """One start: a new network, trained with mutual information. Labels are not looked at.

    The fairness weight falls from 5 to 1 over the first 70 % of the steps: fair first, so that no cluster is lost
    early, and in the end the mutual information itself, which lets classes be of unequal size.

    Args:
        config: what is run.
        task: the images.
        seed: of the run; the start's own is ``1000 * seed + start``.
        start: counted from 0.
        folder: of checkpoints, see `train`.
        progress: whether to draw a progress bar.
    """
    own = 1000 * seed + start
    model = network(config, task.train, torch.Generator().manual_seed(own))
    weight = geometric(5.0, 1.0, until=0.7)
    run = train(
        model,
        Scheduled(lambda progress: MutualInformation(weight(progress))),
        views(config, task.train),
        config.training(own, config.start_epochs),
        folder=checkpoints_of(folder, f"{_place(config, task, seed)}-start-{start}"),
        log_every=10,
        progress=progress,
    )
    return model, run


class Agreement(NamedTuple):
    """The starts, and what came of them.

    Attributes:
        model: taught what all starts agree on.
        losses: final loss of each start, in nats.
        labels: of each start, for the training images, ``[n]``, and last those on which they agree.
        seconds: of all steps.
    """

    model: nn.Module
    losses: list[float]
    labels: list[Tensor]
    seconds: float


def agreed_start(
    config: DeepConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None, progress: bool = False
) -> Agreement:
    """Train the starts, find the consensus of their predictions, and teach it to a new network.

    Starts fail in different places, and outvote each other's failures (`paperlib.consensus`); clusters are matched with
    those of the start of lowest loss first. Labels are not looked at.

    Args:
        config: what is run.
        task: the images.
        seed: of the run.
        folder: of checkpoints, see `train`.
        progress: whether to draw progress bars.
    """
    losses: list[float] = []
    votes: list[Tensor] = []
    seconds = 0.0
    for start in range(config.n_starts):
        model, run = train_start(config, task, seed, start, folder=folder, progress=progress)
        losses.append(final_loss(run))
        votes.append(predictions(config, model, task.train).softmax(1))
        seconds += run.seconds
    order = sorted(range(len(votes)), key=losses.__getitem__)
    agreed = consensus([votes[start] for start in order])
    name = f"{_place(config, task, seed)}-agreed-{config.n_starts}-{config.agreement_epochs:g}"
    own = 1000 * seed + 998
    model = network(config, task.train, torch.Generator().manual_seed(own))
    run = train(
        model,
        FixedLabels(agreed),
        views(config, task.train),
        config.training(own, config.agreement_epochs),
        folder=checkpoints_of(folder, name),
        progress=progress,
    )
    labels = [vote.argmax(1) for vote in [*votes, agreed]]
    return Agreement(model, losses, labels, seconds + run.seconds)


def _place(config: DeepConfig, task: ImageSplits, seed: int) -> str:
    """What starts depend on, as a name."""
    return f"{config.network}-{config.start_epochs:g}-{task.name}-{seed}"
