"""One optimiser step after another: batch, views, model, objective, gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from paperlib.data.augmentations import Draws
from paperlib.training.checkpoints import Checkpoint
from paperlib.training.config import TrainingConfig
from paperlib.training.distributed import gather_rows, world
from paperlib.training.mean_prediction import mean_prediction
from paperlib.training.parts import InParts
from paperlib.training.predict import arranged, autocast, by_view, predict
from paperlib.training.protocols import Predicting, Refreshed
from paperlib.training.schedules import learning_rate_factor
from paperlib.training.seeds import AUGMENTATION, NOISE, ORDER, generator_for, seed_for
from paperlib.training.staged import Staged
from paperlib.training.state import pack, settings_of, unpack
from paperlib.training.views import Views


class Step(NamedTuple):
    """What one step was.

    Attributes:
        loss: before the step, a scalar on the model's device.
        outputs: what the objective was called with.
        objective: in the form that it had.
        learning_rate: of this step.
    """

    loss: Tensor
    outputs: Any
    objective: Callable[..., Tensor]
    learning_rate: float


class Steps:
    """A model, its optimiser and its data: the moving parts of `paperlib.training.train`, whose arguments these are.

    Attributes:
        n_steps: of the whole run.
        device: of the model.
    """

    def __init__(
        self, model: nn.Module, objective: Callable[..., Tensor] | Staged, views: Views, config: TrainingConfig
    ) -> None:
        self.model, self.objective, self.views, self.config = model, objective, views, config
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
        self.n_views = len(views.augmentations)
        if config.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.forward = model if config.micro_batch is None else InParts(model, config.micro_batch * self.n_views)
        if size > 1:
            if self.device.type == "cuda":
                nn.SyncBatchNorm.convert_sync_batchnorm(model)
            self.forward = DistributedDataParallel(self.forward)
        self.optimizer = _optimizer(model, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        self._epoch, self._order = -1, torch.empty(0)

    def __call__(self, step: int) -> Step:
        """Make step number ``step``, counted from 0."""
        config, progress = self.config, step / self.n_steps
        objective = self.objective.at(progress) if isinstance(self.objective, Staged) else self.objective
        if isinstance(objective, Refreshed) and (objective.is_new or step % objective.refresh_every == 0):
            objective.refresh(self._predictions())
        rate = config.learning_rate * learning_rate_factor(config.schedule, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        index = self._batch(step)
        generator = generator_for(config.seed, AUGMENTATION, step, self.device)
        draws = Draws(len(index), generator, rows=self.rows, device=self.device)
        x = self.views.draw(index[self.rows], draws, self.device)
        rank, size = world()
        torch.manual_seed(seed_for(config.seed, NOISE, step * size + rank))
        with autocast(self.device, config.precision):
            outputs = self.forward(arranged(x.flatten(0, 1), config.channels_last))
        if isinstance(outputs, tuple):
            given: Any = tuple(map(self._whole_batch, outputs))
        else:
            given = self._whole_batch(outputs)
        loss = objective(given, index)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return Step(loss.detach(), given, objective, rate)

    def predicted(self, step: Step) -> Tensor | None:
        """Logits ``[b, k]`` of a step: of the first head, and of the mean over views. None where there are none."""
        if isinstance(step.objective, Predicting):
            return step.objective.predictions(step.outputs)
        if isinstance(step.outputs, tuple):
            return None
        has_heads = step.outputs.ndim == 3 + (self.n_views > 1)
        return mean_prediction(step.outputs[..., 0, :] if has_heads else step.outputs)

    def checkpoint(self, done: int, state: dict[str, Any]) -> Checkpoint:
        """All that a resumed run needs, and how to tell that it is the same."""
        state |= {"run": self.identity(), "scaler": self.scaler.state_dict()}
        return Checkpoint(done, pack(self.model, self.optimizer, self.objective), state)

    def load(self, checkpoint: Checkpoint) -> None:
        """The converse."""
        unpack(checkpoint.tensors, self.model, self.optimizer, self.objective)
        self.scaler.load_state_dict(checkpoint.state["scaler"])

    def identity(self) -> dict[str, Any]:
        """What has to be the same for a run to go on, as JSON holds it."""
        shape = {"samples": list(self.views.x.shape), "views": self.n_views, "n_steps": self.n_steps}
        return {**asdict(self.config), **shape, "objective": settings_of(self.objective)}

    def _whole_batch(self, output: Tensor) -> Tensor:
        """Rows of all views and of this process as ``[v, b, ...]`` of the whole batch, or ``[b, ...]`` of one view."""
        return gather_rows(by_view(output, self.n_views, self.config.precision), dim=int(self.n_views > 1))

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
        starts = [min(r * share, len(self.views) - share) for r in range(size)]  # the last parts may overlap
        local = predict(
            self.model,
            self.views,
            rows=slice(starts[rank], starts[rank] + share),
            precision=self.config.precision,
            channels_last=self.config.channels_last,
        )
        parts = gather_rows(local).split(share)
        return torch.cat([part[r * share - starts[r] :] for r, part in enumerate(parts)])


def _optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = config.learning_rate, config.weight_decay
    groups: list[dict[str, Any]] = [{"params": parameters, "weight_decay": decay}]
    if not config.decay_vectors:
        groups[0]["params"] = [parameter for parameter in parameters if parameter.ndim > 1]
        groups.append({"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0})
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=rate)
