"""A model run on a batch part by part, for batches whose activations do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recomputed


class InParts(nn.Module):
    """The same outputs for the same inputs, with the activations of one part of the rows in memory at a time.

    They are computed a second time in the backward pass, with the same dropout; buffers such as the running statistics
    of batch normalisation move once. Source: Chen, Xu, Zhang and Guestrin 2016 (arXiv 1604.06174), by torch.

    Args:
        model: from ``[n, ...]`` to a tensor or a tuple of tensors with as many rows.
        size: rows of a part.
    """

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model, self.size = model, size

    def forward(self, x: Tensor) -> Any:
        """What the model gives for ``x``, put together."""

        def contexts() -> Any:
            return nullcontext(), _kept_buffers(self.model)

        parts = [recomputed(self.model, part, use_reentrant=False, context_fn=contexts) for part in x.split(self.size)]
        if isinstance(parts[0], tuple):
            return tuple(torch.cat(each) for each in zip(*parts, strict=True))
        return torch.cat(parts)


@contextmanager
def _kept_buffers(model: nn.Module) -> Iterator[None]:
    """Put the buffers back at the end."""
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(model.buffers(), before, strict=True):
                buffer.copy_(value)
