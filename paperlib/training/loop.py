"""One training loop for every objective: mini-batches of views, checkpoints, any number of processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint as recomputed
from tqdm import tqdm

from paperlib._checks import check_whole
from paperlib.data.augmentations import Draws
from paperlib.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from paperlib.training.config import TrainingConfig
from paperlib.training.diagnosis import Watch
from paperlib.training.distributed import gather_rows, world
from paperlib.training.log import Log
from paperlib.training.mean_prediction import mean_prediction
from paperlib.training.objectives import Objective
from paperlib.training.predict import arranged, autocast, predict
from paperlib.training.schedules import learning_rate_factor
from paperlib.training.seeds import AUGMENTATION, NOISE, ORDER, generator_for, seed_for
from paperlib.training.staged import Staged
from paperlib.training.state import check_same_run, pack, unpack
from paperlib.training.views import Views


class TrainedRun(NamedTuple):
    """What `train` reports; the model holds the parameters.

    Attributes:
        steps: optimiser steps done.
        history: one record every ``log_every`` steps: ``step``, ``loss`` (of that batch, in nats where the objective
            is), ``learning_rate``, and the `paperlib.training.diagnosis.signs`.
    """

    steps: int
    history: list[dict[str, float]]


@runtime_checkable
class Refreshed(Protocol):
    """An objective that keeps something of all samples, such as pseudo-labels, and renews it now and then."""

    refresh_every: int

    @property
    def is_new(self) -> bool:
        """Whether it was never renewed."""
        ...

    def refresh(self, logits: Tensor) -> None:
        """Renew it from logits of all samples, ``[n, k]``."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint has to hold."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The converse."""
        ...


@runtime_checkable
class Predicting(Protocol):
    """An objective of outputs that are no logits, which knows the predictions that they stand for."""

    def predictions(self, outputs: Any) -> Tensor:
        """Logits ``[b, k]`` of what the objective was called with; for the history alone."""
        ...


def train(
    model: nn.Module,
    objective: Objective | Staged,
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

    Several processes (``torchrun``, `paperlib.training.distributed.torchrun`) share a batch: each runs the model on its
    part, and all compute the objective of the whole (`paperlib.training.distributed.gather_rows`). One process would
    get the same weights, up to rounding, unless batch normalisation is computed a process at a time: on GPUs its layers
    are made to talk with each other, on CPUs torch has no such layer.

    Cost: a step is one forward and one backward pass for every view of the batch, plus the objective, O(v b k) where it
    does not say otherwise. Batches are moved to the model's device one by one.

    Args:
        model: maps ``[b, ...]`` to logits ``[b, k]``, or ``[b, h, k]`` of several heads (see `EachHead`), or to a tuple
            of such tensors; on its device, which is where everything is computed.
        objective: called with logits ``[b, k]``, or ``[v, b, k]`` where there are several views, and the places ``[b]``
            of the samples in the data; for a tuple, with the tuple of them. One that is `Staged` is asked for its
            present form before each step; one that is `Refreshed` is given the logits of all samples, as they are,
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
            are of a run with other settings.
        FloatingPointError: if the loss is not finite at a step that is logged.
        ImportError: if ``tensorboard`` is asked for and not installed.
    """
    config = config or TrainingConfig()
    check_whole(checkpoint_every, "checkpoint_every"), check_whole(log_every, "log_every")
    views = data if isinstance(data, Views) else Views(data)
    run = _Run(model, objective, views, config)
    watch, history = Watch(), []
    found = None if folder is None else load_checkpoint(folder)
    start = 0
    if found is not None:
        check_same_run(found.state, asdict(config), run.n_steps, str(folder))
        run.load(found)
        start, history, watch.marginal = found.step, found.state["history"], found.state["marginal"]

    rank, _ = world()
    devices = [run.device] if run.device.type == "cuda" else []
    with torch.random.fork_rng(devices), Log(tensorboard if rank == 0 else None, done=start) as log, _training(model):
        quiet = rank > 0 or not progress
        for step in tqdm(range(start, run.n_steps), disable=quiet, initial=start, total=run.n_steps, unit="step"):
            loss, logits, rate = run.step(step)
            done = step + 1
            if done % log_every == 0 or done == run.n_steps:
                record = {"step": done, "loss": loss.item(), "learning_rate": rate}
                if not math.isfinite(record["loss"]):
                    raise FloatingPointError(
                        f"the loss is {record['loss']} at step {done}; lower learning_rate, or look at the data"
                    )
                record |= watch.look(_one_matrix(logits), progress=done / run.n_steps)
                history.append(record)
                log.write(record)
            if folder is not None and rank == 0 and (done % checkpoint_every == 0 or done == run.n_steps):
                state = {"history": history, "marginal": watch.marginal}
                save_checkpoint(folder, run.checkpoint(done, state))
    return TrainedRun(run.n_steps, history)


class _Run:
    """A model, its optimiser, and how one step is made."""

    def __init__(self, model: nn.Module, objective: Objective | Staged, views: Views, config: TrainingConfig) -> None:
        self.config, self.objective, self.views = config, objective, views
        self.device = next(model.parameters()).device
        rank, size = world()
        if len(views) < config.batch_size:
            raise ValueError(f"there are {len(views)} samples; batch_size={config.batch_size} asks for more")
        if config.batch_size % size:
            raise ValueError(f"batch_size={config.batch_size} must be a multiple of the {size} processes")
        if config.precision == "float16" and self.device.type == "cpu":
            raise ValueError("precision='float16' is for GPUs; use 'bfloat16' on a CPU")
        share = config.batch_size // size
        self.rows = slice(rank * share, (rank + 1) * share)
        self.per_epoch = len(views) // config.batch_size
        self.n_steps = max(1, round(config.epochs * self.per_epoch))
        self.model = model
        if config.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.forward = _in_parts(model, config.micro_batch, len(views.augmentations))
        if size > 1:
            if self.device.type == "cuda":
                nn.SyncBatchNorm.convert_sync_batchnorm(model)
            self.forward = DistributedDataParallel(self.forward)
        self.optimizer = _optimizer(model, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        self._epoch, self._order = -1, torch.empty(0)

    def step(self, step: int) -> tuple[Tensor, Tensor, float]:
        """One optimiser step: the loss, the logits of the whole batch, and the learning rate."""
        config, progress = self.config, step / self.n_steps
        objective = self.objective.at(progress) if isinstance(self.objective, Staged) else self.objective
        if isinstance(objective, Refreshed) and (objective.is_new or step % objective.refresh_every == 0):
            objective.refresh(self._predictions())
        rate = config.learning_rate * learning_rate_factor(config.schedule, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        index = self._batch(step)
        draws = Draws(
            len(index), generator_for(config.seed, AUGMENTATION, step, self.device), rows=self.rows, device=self.device
        )
        x = self.views.draw(index[self.rows], draws, self.device)
        torch.manual_seed(seed_for(config.seed, NOISE, step * world()[1] + world()[0]))
        with autocast(self.device, config.precision):
            outputs = self.forward(arranged(x.flatten(0, 1), config.channels_last))
        if isinstance(outputs, tuple):
            given: Any = tuple(self._whole_batch(output, len(x)) for output in outputs)
        else:
            given = self._whole_batch(outputs, len(x))
        loss = objective(given, index)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        predicted = objective.predictions(given) if isinstance(objective, Predicting) else given
        return loss.detach(), predicted.detach(), rate

    def _whole_batch(self, output: Tensor, n_views: int) -> Tensor:
        """Rows of all views and of this process, as ``[v, b, ...]`` of the whole batch, or ``[b, ...]`` of one view."""
        output = output if self.config.precision == "float32" else output.float()
        if n_views == 1:
            return gather_rows(output)
        return gather_rows(output.unflatten(0, (n_views, -1)), dim=1)

    def _batch(self, step: int) -> Tensor:
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = torch.randperm(len(self.views), generator=generator_for(self.config.seed, ORDER, epoch))
        return self._order[place * self.config.batch_size :][: self.config.batch_size]

    def _predictions(self) -> Tensor:
        """Logits of all samples; each process computes a part."""
        rank, size = world()
        share = -(-len(self.views) // size)
        start = min(rank * share, len(self.views) - share)  # the last parts may overlap, so that all have one length
        local = predict(
            self.model,
            self.views,
            rows=slice(start, start + share),
            precision=self.config.precision,
            channels_last=self.config.channels_last,
        )
        parts = gather_rows(local).split(share)
        starts = [min(r * share, len(self.views) - share) for r in range(size)]
        return torch.cat([part[r * share - first :] for r, (part, first) in enumerate(zip(parts, starts, strict=True))])

    def checkpoint(self, step: int, state: dict[str, Any]) -> Checkpoint:
        """All that a resumed run needs."""
        state |= {"config": asdict(self.config), "n_steps": self.n_steps, "scaler": self.scaler.state_dict()}
        return Checkpoint(step, pack(self.model, self.optimizer, self.objective), state)

    def load(self, checkpoint: Checkpoint) -> None:
        """The converse."""
        unpack(checkpoint.tensors, self.model, self.optimizer, self.objective)
        self.scaler.load_state_dict(checkpoint.state["scaler"])


class _Parts(nn.Module):
    """A model run on parts of a batch; activations are computed again in the backward pass."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model, self.size = model, size

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([recomputed(self.model, part, use_reentrant=False) for part in x.split(self.size)])


def _in_parts(model: nn.Module, micro_batch: int | None, n_views: int) -> nn.Module:
    return model if micro_batch is None else _Parts(model, micro_batch * n_views)


def _optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=decay)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, weight_decay=decay)


def _one_matrix(logits: Tensor) -> Tensor:
    """The mean prediction of the first head, ``[b, k]``."""
    heads = logits.ndim == 4
    return mean_prediction(logits[..., 0, :] if heads else logits)


@contextmanager
def _training(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.train()
    try:
        yield
    finally:
        model.train(was_training)
