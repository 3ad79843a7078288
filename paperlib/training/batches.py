"""Batches as places in the data: drawn at random, and their rows."""

from __future__ import annotations

import torch
from torch import Tensor


def random_batches(n: int, batch_size: int | None, generator: torch.Generator | None) -> list[Tensor | None]:
    """The places of each batch's samples, in a new order; a last batch that is not full is dropped.

    Where one batch is all there is, which needs no order, None alone.
    """
    if batch_size is None or batch_size >= n:
        return [None]
    order = torch.randperm(n, generator=generator)
    return list(order[: n - n % batch_size].split(batch_size))


def rows_at(values: Tensor, index: Tensor | None) -> Tensor:
    """The rows of ``values`` at the places of a batch, wherever either lies; all rows when ``index`` is None.

    An index on the CPU goes to a GPU without waiting for what is queued there.
    """
    if index is None:
        return values
    return values[index.to(values.device, non_blocking=index.device.type == "cpu")]
