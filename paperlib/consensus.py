"""One clustering out of several: clusters are matched, then predictions are averaged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from paperlib._checks import check_pair, check_whole


def match_clusters(probs: Tensor, reference: Tensor) -> Tensor:
    r"""Columns of ``probs`` in the order in which they agree most with those of ``reference``.

    The order maximises :math:`\sum_{ic} p_{i \pi(c)}\, r_{ic}`, the expected number of samples that both put into the
    same cluster, by the Hungarian method (Kuhn 1955). Cost: O(n k^2 + k^3); the ``[k, k]`` table alone visits the CPU.

    Args:
        probs: predictions, shape ``[n, k]``.
        reference: others of the same samples, shape ``[n, k]``.

    Returns:
        Shape ``[n, k]``.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ.
    """
    check_pair(probs, reference, "probs", "reference")
    agreement = (reference.mT @ probs).double().cpu().numpy()
    _, order = linear_sum_assignment(agreement, maximize=True)
    return probs[:, torch.as_tensor(order, device=probs.device)]


def consensus(probs: Sequence[Tensor], *, n_iterations: int = 10) -> Tensor:
    r"""The mean of several clusterings' predictions, clusters matched with those of the mean.

    Starting from the first, each is matched with the mean and a new mean is taken, until none changes its order. Each
    round does not lower :math:`\sum_m \langle p^m, \bar p \rangle`. Runs that fail in different places outvote each
    other's failures; a failure that all share stays.

    Source: voting of soft clusterings (Dimitriadou, Weingessel and Hornik 2002), one of the cluster ensembles of Strehl
    and Ghosh 2002. Cost: O(m n k^2 + m k^3) a round, and rounds are few.

    Args:
        probs: predictions of the same samples, each of shape ``[n, k]``; the first is where matching begins, so let it
            be the one you trust most.
        n_iterations: limit on the rounds.

    Returns:
        Shape ``[n, k]``, rows of probabilities.

    Raises:
        TypeError: if one is not a floating-point tensor.
        ValueError: if there is none, or the shapes differ.
    """
    check_whole(n_iterations, "n_iterations")
    if not probs:
        raise ValueError("probs is empty; give the predictions of at least one clustering")
    matched = list(probs)
    mean = matched[0]
    for _ in range(n_iterations):
        before = matched
        matched = [match_clusters(one, mean) for one in matched]
        mean = torch.stack(matched).mean(0)
        if all(torch.equal(old, new) for old, new in zip(before, matched, strict=True)):
            break
    return mean
