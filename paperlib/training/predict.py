"""Predictions for all samples of a data set, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole
from paperlib.training.config import Precision
from paperlib.training.views import Views

_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: torch.device, precision: Precision) -> Any:
    """The context in which a model runs."""
    return torch.autocast(device.type, _TYPES.get(precision), enabled=precision != "float32")


@torch.no_grad()
def predict(
    model: nn.Module,
    data: Views | Tensor,
    *,
    rows: slice | None = None,
    batch_size: int = 1000,
    precision: Precision = "float32",
    channels_last: bool = False,
) -> Tensor:
    """Logits of the samples as they are, in evaluation mode; the mode of each of its modules is put back.

    Args:
        model: maps samples to logits ``[b, ..., k]``, or to a tuple of which they are the first; on whatever device.
        data: `Views`, whose augmentations are not used, or samples as `Views` takes them.
        rows: of which samples, without a step; all when None.
        batch_size: samples at once.
        precision: as in `TrainingConfig`.
        channels_last: likewise.

    Returns:
        Shape ``[n, ..., k]``, at least float32, on the model's device.

    Raises:
        ValueError: if ``rows`` has no sample or another step than one, or ``batch_size`` is no whole number above zero.
    """
    check_whole(batch_size, "batch_size")
    views = data if isinstance(data, Views) else Views(data)
    device = next(model.parameters()).device
    start, stop, stride = (rows or slice(None)).indices(len(views))
    if stride != 1 or start >= stop:
        raise ValueError(f"rows={rows} must be a slice of step 1 with at least one of the {len(views)} samples")
    with mode(model, training=False):
        parts = []
        for at in range(start, stop, batch_size):
            x = arranged(views.samples(slice(at, min(at + batch_size, stop)), device), channels_last)
            with autocast(device, precision):
                outputs = model(x)
            parts.append(by_view(outputs[0] if isinstance(outputs, tuple) else outputs, 1, precision))
    return torch.cat(parts)


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Run a model in training or evaluation mode; the mode of each of its modules is put back."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training


def by_view(output: Tensor, n_views: int, precision: Precision) -> Tensor:
    """A model's output for the rows of all views as ``[v, b, ...]``, or ``[b, ...]`` of one view; in full precision."""
    output = output if precision == "float32" else output.float()
    return output if n_views == 1 else output.unflatten(0, (n_views, -1))


def arranged(x: Tensor, channels_last: bool) -> Tensor:
    """Images ``[b, c, h, w]`` in the memory format asked for."""
    return x.contiguous(memory_format=torch.channels_last) if channels_last and x.ndim == 4 else x
