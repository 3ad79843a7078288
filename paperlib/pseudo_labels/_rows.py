"""Sums over the rows of large arrays: by chunks that fit the cache, on all threads, over the ranks of a group."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from paperlib._checks import check_probabilities, check_start

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

_CHUNK = 2**19  # entries of a chunk: it stays in the cache, and outweighs the calls that it takes
_CHUNKS_A_THREAD = 1  # at least, to be worth it
_SPANS_A_THREAD = 4  # so that a thread which other processes hold up leaves its rest to the others
ABREAST = 16  # rows that a chunk has a multiple of, but for the last


class Rows:
    """The rows of one or more ``[n, k]`` arrays, of which this rank has a part; a context that owns its threads.

    On the CPU threads share the chunks: the arrays are read once, no other array of ``[n, k]`` is made,
    and threads meet once a sum. Elsewhere one chunk is everything.
    """

    def __init__(self, *arrays: Tensor, group: ProcessGroup | None = None) -> None:
        (n, k), on_cpu = arrays[0].shape, arrays[0].device.type == "cpu"
        self._arrays, self._group = arrays, group
        self._rows = max(1, _CHUNK // k // ABREAST) * ABREAST if on_cpu else max(1, n)
        self._threads = max(1, min(torch.get_num_threads(), n // self._rows // _CHUNKS_A_THREAD)) if on_cpu else 1
        self._pool = _pool_of(self._threads) if self._threads > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def sum(self, function: Callable[..., Tensor]) -> Tensor:
        """Sum of ``function(*chunks)`` over all chunks of rows and all ranks; ``function`` may also write to them."""
        if self._pool is None:
            return over_ranks(_sum(function, self._arrays, self._rows), self._group)
        inference = torch.is_inference_mode_enabled()  # each thread has a mode of its own

        def of_a_thread(*spans: Tensor) -> Tensor:
            with torch.inference_mode(inference):
                return _sum(function, spans, self._rows)

        span = -(-len(self._arrays[0]) // (_SPANS_A_THREAD * self._threads * self._rows)) * self._rows
        shares = self._pool.map(of_a_thread, *(array.split(span) for array in self._arrays))
        return over_ranks(torch.stack(list(shares)).sum(0), self._group)


def _pool_of(threads: int) -> ThreadPoolExecutor:
    """Threads in which torch's operations use no other threads."""
    ready, before = Barrier(threads + 1), torch.get_num_threads()

    def initialise() -> None:
        torch.set_num_threads(1)  # of this thread, and of threads that are yet to come ...
        ready.wait()

    pool = ThreadPoolExecutor(threads, initializer=initialise)
    for _ in range(threads):
        pool.submit(int)
    ready.wait()
    torch.set_num_threads(before)  # ... of which this takes care
    return pool


def _sum(function: Callable[..., Tensor], arrays: tuple[Tensor, ...], rows: int) -> Tensor:
    if len(arrays[0]) <= rows:
        return function(*arrays).to(work_type(arrays[0]))
    first, *others = (function(*chunks) for chunks in zip(*(array.split(rows) for array in arrays), strict=True))
    total = first.to(work_type(first))
    for other in others:
        total += other
    return total


def work_type(like: Tensor) -> torch.dtype:
    """The type of sums and of vectors of ``[k]``: float64, except on Apple's GPUs, which have no other than float32."""
    return torch.float32 if like.device.type == "mps" else torch.float64


def over_ranks(local: Tensor, group: ProcessGroup | None) -> Tensor:
    """Sum of ``local`` over the ranks of ``group``; itself without one."""
    if group is not None:
        torch.distributed.all_reduce(local, group=group)
    return local


def logsumexp_over_ranks(local: Tensor, group: ProcessGroup | None) -> Tensor:
    """Logarithm of the sum over the ranks of ``group`` of ``exp(local)``, without overflow; itself without one."""
    if group is None:
        return local
    top = local.clone()
    torch.distributed.all_reduce(top, torch.distributed.ReduceOp.MAX, group=group)
    return top + over_ranks((local - top).exp(), group).log()


def check_rows(
    probs: Tensor, start: Tensor | None, group: ProcessGroup | None, out: Tensor | None = None
) -> tuple[Tensor, Tensor | None, int]:
    """Predictions and start without their gradients, if they and ``out`` are fit for use, and the rows of all ranks.

    What one rank refuses all refuse, since the others would wait for it. A rank of a group may have no rows.

    Raises:
        TypeError: if ``probs`` or ``start`` is not a floating-point tensor.
        ValueError: if rows are not probabilities, or a shape does not fit.
        RuntimeError: if another rank was given such rows.
    """
    error: Exception | None = None
    try:
        if group is None or not _is_empty(probs):
            check_probabilities(probs, "probs")
            check_start(start, probs)
        _check_out(out, probs)
    except (TypeError, ValueError) as refused:
        error = refused
    n = 0 if error else len(probs)
    if group is not None:
        device = probs.device if isinstance(probs, Tensor) else None
        n, failed = over_ranks(torch.tensor([n, int(error is not None)], device=device), group).tolist()
        if failed and error is None:
            error = RuntimeError(f"{failed} other ranks were given rows that they refuse; see their errors")
        if not n and error is None:
            error = ValueError("probs must have rows on some rank, got none on all")
    if error is not None:
        raise error
    return probs.detach(), None if start is None else start.detach(), n


def _is_empty(probs: Any) -> bool:
    return isinstance(probs, Tensor) and probs.is_floating_point() and probs.ndim == 2 and not len(probs)


def _check_out(out: Tensor | None, probs: Tensor) -> None:
    if out is None:
        return
    if out.shape != probs.shape or out.dtype != probs.dtype or out.device != probs.device:
        raise ValueError(
            f"out must be like probs, {list(probs.shape)} of {probs.dtype} on {probs.device}, got {list(out.shape)} of "
            f"{out.dtype} on {out.device}"
        )
    if out.data_ptr() == probs.data_ptr() and len(probs):
        raise ValueError("out must not share the memory of probs, which are read again at each iteration")
