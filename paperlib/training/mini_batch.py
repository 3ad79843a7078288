"""Mini-batch minimisation by Adam."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from paperlib.training.batches import random_batches
from paperlib.training.objectives import Objective
from paperlib.training.result import TrainingResult


def minimize_mini_batch(
    model: nn.Module,
    objective: Objective,
    x: Tensor,
    *,
    batch_size: int,
    gamma: float = 0.0,
    max_iter: int = 50,
    learning_rate: float = 0.05,
    schedule: Literal["cosine", "constant"] = "cosine",
    tol: float | None = None,
    patience: int = 10,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> TrainingResult:
    """Minimise ``objective(model(batch), index) + gamma * model.penalty()`` over random batches, in place.

    Adam (Kingma and Ba 2015), by default with a learning rate that falls to zero along a half cosine. What an
    objective asks of all samples, such as fairness, is asked of the batch: choose ``batch_size`` well above the number
    of clusters (ten times is a fair rule), because a small batch holds too few samples of each cluster and its mean
    prediction is noisy.

    Cost: O(n k d) an epoch and memory for one batch of logits. Batches are moved to the model's device one by one, so
    ``x`` may be larger than the device. A last batch that is not full is dropped; the order changes every epoch.

    Args:
        model: maps a batch to logits ``[batch, k]``; has ``penalty()`` where ``gamma`` is not zero.
        objective: maps logits, and the places ``[batch]`` of the batch's samples in ``x`` (None: all, in their order),
            to a scalar.
        x: inputs, shape ``[n, ...]``.
        batch_size: samples in a batch; cut to ``n``.
        gamma: weight of the penalty, at least zero.
        max_iter: number of epochs.
        learning_rate: Adam's first step size.
        schedule: ``"cosine"``, or ``"constant"`` for one step size throughout.
        tol: stop when the mean over an epoch has not fallen by more than ``tol * max(1, |mean|)`` in ``patience``
            epochs; None for all epochs. Only with a constant step size does that say something of the objective.
        patience: see ``tol``.
        optimizer: to go on with, instead of a new Adam; its step size is its own unless the schedule is ``"cosine"``.
        generator: CPU generator that orders the samples.

    Returns:
        The result. Its ``value`` is the mean over the batches of the last epoch, each before its step; it is taken to
        have converged when that is finite and, with ``tol``, when that criterion was met.
    """
    device = next(model.parameters()).device
    n = len(x)
    batch_size = min(batch_size, n)
    n_batches = n // batch_size
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=learning_rate)
    steps = max_iter * n_batches
    total = torch.zeros((), device=device)
    best, best_epoch, settled = math.inf, 0, tol is None
    for epoch in range(1, max_iter + 1):
        total.zero_()
        for step, batch in enumerate(random_batches(n, batch_size, generator)):
            if schedule == "cosine":
                done = ((epoch - 1) * n_batches + step) / steps
                optimizer.param_groups[0]["lr"] = learning_rate * (1 + math.cos(math.pi * done)) / 2
            inputs = x if batch is None else x[batch]
            value = objective(model(inputs.to(device, non_blocking=True)), batch)
            if gamma:
                value = value + gamma * model.penalty()  # type: ignore[operator]
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            total += value.detach()
        if tol is not None:
            mean = float(total) / n_batches
            if mean < best - tol * max(1.0, abs(mean)):
                best, best_epoch = mean, epoch
            if epoch - best_epoch >= patience:
                settled = True
                break
    mean = float(total) / n_batches
    return TrainingResult(mean, epoch, epoch * n_batches, math.isfinite(mean) and settled)
