"""One training loop for every objective: mini-batches of views, checkpoints, any number of processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

from paperlib._checks import check_whole
from paperlib.training.checkpoints import load_checkpoint, save_checkpoint
from paperlib.training.config import TrainingConfig
from paperlib.training.diagnosis import Watch
from paperlib.training.distributed import world
from paperlib.training.log import Log
from paperlib.training.predict import mode
from paperlib.training.staged import Staged
from paperlib.training.state import check_same_run
from paperlib.training.steps import Steps
from paperlib.training.views import Views


class TrainedRun(NamedTuple):
    """What `train` reports; the model holds the parameters.

    Attributes:
        steps: optimiser steps done.
        history: one record every ``log_every`` steps: ``step``, ``loss`` (of that batch, in nats where the objective
            is), ``learning_rate``, and the `paperlib.training.diagnosis.signs`.
        seconds: wall-clock time of the steps, those before a resumed run's checkpoint included.
    """

    steps: int
    history: list[dict[str, float]]
    seconds: float


def train(
    model: nn.Module,
    objective: Callable[..., Tensor] | Staged,
    data: Views | Tensor,
    config: TrainingConfig | None = None,
    *,
    folder: str | Path | None = None,
    checkpoint_every: int = 500,
    log_every: int = 50,
    tensorboard: str | Path | None = None,
    progress: bool = False,
) -> TrainedRun:
    """Minimise an objective of the predictions of random batches over the model's parameters, in place.

    Each step draws a batch, makes the views of its samples, runs the model on all of them at once, and hands the logits
    to the objective. Where a run is decides every random number, so a run that resumes goes on as if nothing had
    happened: on a CPU, with the same number of threads, to the last bit.

    Several processes (``torchrun``, `paperlib.training.torchrun`) share a batch: each runs the model on its part, and
    all compute the objective of the whole (`paperlib.training.gather_rows`). One process would get the same weights, up
    to rounding, unless batch normalisation is computed a process at a time: on GPUs its layers are made to talk with
    each other, on CPUs torch has no such layer. Every trained parameter must take part in the loss. Checkpoints are
    written by the first process and read by all, from a folder that all see.

    Cost: a step is one forward and one backward pass for every view of the batch, plus the objective, O(v b k) where it
    does not say otherwise. Batches are moved to the model's device one by one.

    Args:
        model: maps ``[b, ...]`` to logits ``[b, k]``, or ``[b, h, k]`` of several heads (see `EachHead`), or to a tuple
            of such tensors; on its device, which is where everything is computed.
        objective: called with logits ``[b, k]``, or ``[v, b, k]`` where there are several views, and the places ``[b]``
            of the samples in the data; for a tuple, with the tuple of them. One that is
            `paperlib.training.staged.Staged` is asked for its present form before each step; one that is
            `paperlib.training.protocols.Refreshed` is made new, and then given the logits of all samples, as they are,
            every ``refresh_every`` steps.
        data: the samples and their views; a tensor is one view, as it is.
        config: `TrainingConfig()` when None.
        folder: of the checkpoints; with whole ones of the same run in it, the run goes on from the newest. None for no
            checkpoints.
        checkpoint_every: steps from one to the next. A process that is killed loses at most so many.
        log_every: steps from one record of the history to the next.
        tensorboard: folder for TensorBoard's log of the history (extra ``tensorboard``).
        progress: whether to draw a progress bar on standard error.

    Raises:
        ValueError: if there are fewer samples than a batch has, the processes do not divide a batch, or the checkpoints
            are of another run: other settings, another objective, data of another shape.
        FloatingPointError: if the loss is not finite at a step that is logged or kept, or a weight at one that is kept;
            no such checkpoint is written.
        ImportError: if ``tensorboard`` is asked for and not installed.
    """
    config = config or TrainingConfig()
    check_whole(checkpoint_every, "checkpoint_every"), check_whole(log_every, "log_every")
    steps = Steps(model, objective, data if isinstance(data, Views) else Views(data), config)
    watch, history, start, seconds = Watch(), [], 0, 0.0
    found = None if folder is None else load_checkpoint(folder)
    if found is not None:
        check_same_run(found.state["run"], steps.identity(), str(folder))
        steps.load(found)
        start, history, seconds = found.step, found.state["history"], found.state["seconds"]
        watch.marginal = found.state["marginal"]
    elif hasattr(objective, "load_state_dict"):
        objective.load_state_dict({})  # what it may keep is of an earlier run
    _check_together(start)

    rank, _ = world()
    devices = [steps.device] if steps.device.type == "cuda" else []
    began = time.perf_counter() - seconds
    with (
        torch.random.fork_rng(devices),
        mode(model, training=True),
        Log(tensorboard if rank == 0 else None, done=start) as log,
        tqdm(initial=start, total=steps.n_steps, disable=rank > 0 or not progress, unit="step") as bar,
    ):
        for done in range(start + 1, steps.n_steps + 1):
            step = steps(done - 1)
            bar.update()
            is_last = done == steps.n_steps
            is_logged, is_kept = is_last or done % log_every == 0, is_last or done % checkpoint_every == 0
            if is_logged or is_kept:
                loss = _finite(step.loss, done)
            if is_logged:
                record = {"step": done, "loss": loss, "learning_rate": step.learning_rate}
                predicted = steps.predicted(step)
                if predicted is not None:
                    record |= watch.look(predicted, progress=done / steps.n_steps)
                history.append(record)
                log.write(record)
                bar.set_postfix({name: f"{value:.3g}" for name, value in record.items() if name != "step"})
            seconds = time.perf_counter() - began
            if folder is not None and rank == 0 and is_kept:
                _check_finite(model, done)
                state = {"history": history, "marginal": watch.marginal, "seconds": seconds}
                save_checkpoint(folder, steps.checkpoint(done, state))
    return TrainedRun(steps.n_steps, history, seconds)


def _finite(loss: Tensor, step: int) -> float:
    value = loss.item()
    if not abs(value) < float("inf"):
        raise FloatingPointError(f"the loss is {value} at step {step}; lower learning_rate, or look at the data")
    return value


def _check_finite(model: nn.Module, step: int) -> None:
    """Refuse to keep weights that are not finite: a finite loss can have a gradient that is not."""
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise FloatingPointError(
                f"{name} is not finite after step {step}; lower learning_rate, or look at the data"
            )


def _check_together(start: int) -> None:
    """Refuse processes that found different checkpoints, which would wait for each other for ever."""
    _, size = world()
    if size > 1:
        starts: list[int | None] = [None] * size
        dist.all_gather_object(starts, start)
        if len(set(starts)) > 1:
            raise ValueError(f"the processes found checkpoints of steps {starts}; give a folder that all of them see")
