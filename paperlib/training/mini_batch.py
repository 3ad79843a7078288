"""Mini-batch minimisation by Adam."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

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
    generator: torch.Generator | None = None,
) -> TrainingResult:
    """Minimise ``objective(model(batch)) + gamma * model.penalty()`` over random batches, in place.

    Adam (Kingma and Ba 2015) with a learning rate that falls to zero along a half cosine. Fairness is that of the
    batch: choose ``batch_size`` well above the number of clusters (ten times is a fair rule), because a small batch
    holds too few samples of each cluster and its mean prediction is noisy.

    Cost: O(n k d) an epoch and memory for one batch of logits. Batches are moved to the model's device one by one, so
    ``x`` may be larger than the device. A last batch that is not full is dropped; the order changes every epoch.

    Args:
        model: maps a batch to logits ``[batch, k]``; has ``penalty()`` where ``gamma`` is not zero.
        objective: maps logits to a scalar, in nats.
        x: inputs, shape ``[n, ...]``.
        batch_size: samples in a batch; cut to ``n``.
        gamma: weight of the penalty, at least zero.
        max_iter: number of epochs.
        learning_rate: Adam's first step size.
        generator: CPU generator that orders the samples.

    Returns:
        The result. Its ``value`` is the mean over the batches of the last epoch, each before its step; it is taken to
        have converged when that is finite, since the schedule always ends.
    """
    device = next(model.parameters()).device
    n = len(x)
    batch_size = min(batch_size, n)
    n_batches = n // batch_size
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max_iter * n_batches)
    total = torch.zeros((), device=device)
    for _ in range(max_iter):
        order = torch.randperm(n, generator=generator)
        total.zero_()
        for batch in order[: n_batches * batch_size].view(n_batches, batch_size):
            value = objective(model(x[batch].to(device, non_blocking=True)))
            if gamma:
                value = value + gamma * model.penalty()  # type: ignore[operator]
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
            total += value.detach()
    mean = float(total) / n_batches
    return TrainingResult(mean, max_iter, max_iter * n_batches, math.isfinite(mean))
