"""Which of k measures are compared: unordered pairs a < b."""

from __future__ import annotations

import torch
from torch import Tensor

from paperlib._checks import check_whole


def all_pairs(k: int) -> Tensor:
    """All k (k - 1) / 2 unordered pairs of distinct numbers below ``k``.

    Returns:
        Shape ``[2, k (k - 1) / 2]``, int64, the smaller number in the first row.

    Raises:
        ValueError: if ``k`` is no whole number of at least one.
    """
    check_whole(k, "k")
    return torch.triu_indices(k, k, offset=1)


def random_pairs(k: int, n_pairs: int, generator: torch.Generator | None = None) -> Tensor:
    """``n_pairs`` of the pairs of :func:`all_pairs`, drawn uniformly without replacement.

    Args:
        k: how many measures there are.
        n_pairs: how many pairs to draw.
        generator: draws them, on the CPU; torch's own when None.

    Returns:
        Shape ``[2, n_pairs]``, int64, in the order of the draw.

    Raises:
        ValueError: if a number is no whole number of at least one, or there are fewer than ``n_pairs`` pairs.
    """
    pairs = all_pairs(k)
    if check_whole(n_pairs, "n_pairs") > pairs.shape[1]:
        raise ValueError(f"n_pairs={n_pairs} is more than the {pairs.shape[1]} pairs of k={k}; use all_pairs({k})")
    return pairs[:, torch.randperm(pairs.shape[1], generator=generator)[:n_pairs]]
