"""Several processes as one: ranks, and logits gathered with their gradient."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from paperlib.runtime import resolve_device


def world() -> tuple[int, int]:
    """Rank of the present process and the number of processes; ``(0, 1)`` outside a distributed run."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@contextmanager
def torchrun(device: str | torch.device | None = None) -> Iterator[torch.device]:
    """Join the processes that ``torchrun`` started, and yield this one's device; outside torchrun, only the device.

    The processes talk through NCCL where the device is a GPU (that of the local rank), and through gloo on CPUs. The
    group is left again at the end, whatever happens.

    Args:
        device: None for CUDA where there is one, or ``"cpu"`` or ``"cuda"``.
    """
    resolved = resolve_device(device)
    if "LOCAL_RANK" not in os.environ:
        yield resolved
        return
    if resolved.type == "cuda":
        resolved = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(resolved)
    dist.init_process_group("nccl" if resolved.type == "cuda" else "gloo")
    try:
        yield resolved
    finally:
        dist.destroy_process_group()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor, dim: int) -> Tensor:
        rank, size = world()
        ctx.dim, ctx.start, ctx.length, ctx.size = dim, rank * local.shape[dim], local.shape[dim], size
        parts = [torch.empty_like(local, memory_format=torch.contiguous_format) for _ in range(size)]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts, dim)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].narrow(ctx.dim, ctx.start, ctx.length) * ctx.size, None


def gather_rows(local: Tensor, dim: int = 0) -> Tensor:
    r"""The rows of all ranks, in their order, differentiable in the local ones.

    For losses that are no mean over samples, such as fairness :math:`KL(\bar\sigma \| u)`, whose mean prediction is
    that of the whole batch: the mean over ranks of :math:`KL(\bar\sigma_r \| u)` is another, larger number (the
    divergence is convex). Every rank computes the same loss :math:`L` from the same rows. Rank :math:`r` then has the
    part :math:`g_r` of the gradient that passes through its own rows, the whole is :math:`\sum_r g_r`, and since
    ``DistributedDataParallel`` averages over the :math:`R` ranks, the backward pass multiplies by :math:`R`. That needs
    no communication of its own.

    Cost: one all-gather of the logits, a few dozen numbers a sample, whatever the size of the network.

    Args:
        local: this rank's rows, as many as on every other rank.
        dim: along which they are put together.

    Returns:
        ``local`` itself outside a distributed run.
    """
    return local if world()[1] == 1 else _Gather.apply(local, dim)
