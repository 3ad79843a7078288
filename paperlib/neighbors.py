"""Nearest neighbours: exact, in chunks, so that no ``n x n`` matrix is ever held."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from paperlib._checks import check_matrix, check_whole

NeighborMetric = Literal["cosine", "euclidean"]
_CHUNK = 2**24  # numbers of an intermediate result that exist at one time


@torch.no_grad()
def nearest_neighbors(
    x: Tensor,
    k: int,
    *,
    queries: Tensor | None = None,
    metric: NeighborMetric = "cosine",
    chunk_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    r"""The ``k`` nearest samples of each query, by comparing it with every sample.

    The samples themselves are the queries when none are given; a sample is then no neighbour of itself, but its
    duplicates are, at distance zero. Neighbours come in the order of their distance, and of their index where
    distances are equal. Which of several equally distant samples takes the last place is not specified.

    The neighbours are found from a product of matrices, around the mean of the samples; their distances are then
    computed anew from differences, without its cancellation. So distances are accurate, and samples are confused only
    where the rounding of that product cannot tell them apart: keep it out of autocast and TF32. No gradient flows.

    Cost: with q queries O(q n d) time; memory O((n + q) d + q k) for copies and the result, and intermediate results of
    a chunk of queries, by default of at most 2^24 numbers each. Everything runs on the device of ``x``.

    Args:
        x: samples, shape ``[n, d]``; lower precisions than float32 are computed in it.
        k: neighbours of a query, at most ``n``, or ``n - 1`` without ``queries``.
        queries: shape ``[q, d]``.
        metric: ``"cosine"`` is :math:`1 - \cos(x, y)`, in ``[0, 2]``; ``"euclidean"`` has the unit of ``x``.
        chunk_size: queries at a time; chosen by memory when None.

    Returns:
        Distances and indices into ``x``, both of shape ``[q, k]``.

    Raises:
        TypeError: if ``x`` or ``queries`` is not a floating-point tensor.
        ValueError: if a shape or number is out of range, an entry is not finite, or a row of zeros has no cosine.
    """
    if metric not in get_args(NeighborMetric):
        raise ValueError(f"metric must be one of {', '.join(map(repr, get_args(NeighborMetric)))}, got {metric!r}")
    x = _prepared(x, "x", metric)
    others = x if queries is None else _prepared(queries, "queries", metric).to(x)
    if others.shape[1] != x.shape[1]:
        raise ValueError(f"queries must have the {x.shape[1]} features of x, got {others.shape[1]}")
    most = len(x) - (queries is None)
    if check_whole(k, "k") > most:
        raise ValueError(f"k must be at most {most}, the number of samples that can be neighbours, got {k}")
    if chunk_size is None:
        chunk_size = max(1, _CHUNK // max(len(x), k * x.shape[1]))
    size = check_whole(chunk_size, "chunk_size")

    center = x.mean(0)  # nearer to the origin, fewer digits cancel
    centered = x - center
    half_squares = centered.square().sum(1) / 2
    distances, indices = [], []
    for start in range(0, len(others), size):
        chunk = others[start : start + size]
        scores = torch.addmm(half_squares, chunk - center, centered.mT, alpha=-1)  # orders as distances do
        if queries is None:
            scores.diagonal(start).fill_(torch.inf)
        nearest = scores.topk(k, largest=False, sorted=False).indices.sort().values
        found = torch.linalg.vector_norm(chunk[:, None] - x[nearest], dim=2)
        found, order = found.sort(stable=True)
        distances.append(found.square() / 2 if metric == "cosine" else found)
        indices.append(nearest.gather(1, order))
    return torch.cat(distances), torch.cat(indices)


def neighbor_distance(x: Tensor, rank: int = 10) -> Tensor:
    r"""Euclidean distance of each sample to its neighbour of the given rank, the first being the nearest other sample.

    The scale of a neighbourhood. IMSAT takes a quarter of it as the radius of each sample's adversarial step,
    :math:`\epsilon_i = 0.25\, d_{10}(x_i)`: ``virtual_adversarial_loss(..., radius=0.25 * neighbor_distance(x))``.
    Source: Hu et al. 2017 (arXiv 1702.08720). The authors' code, and the distances for MNIST that come with it, take
    place 10 counted from zero, the sample itself left out: that is ``rank=11`` here.

    Cost: that of :func:`nearest_neighbors`, O(n^2 d) time.

    Args:
        x: samples, shape ``[n, d]``; flatten images first.
        rank: from 1 to ``n - 1``.

    Returns:
        Shape ``[n]``, in the unit of ``x``; zero where a sample has at least ``rank`` duplicates.

    Raises:
        TypeError: if ``x`` is not a floating-point tensor.
        ValueError: if its shape or the rank is out of range, or an entry is not finite.
    """
    check_matrix(x, "x")
    if check_whole(rank, "rank") >= len(x):
        raise ValueError(f"rank must be below the number of samples, {len(x)}, got {rank}")
    return nearest_neighbors(x, rank, metric="euclidean")[0][:, -1]


def _prepared(points: Tensor, name: str, metric: NeighborMetric) -> Tensor:
    """The points, at least in float32; scaled to unit length for the cosine, whose distance is half the square then."""
    check_matrix(points, name)
    points = points.to(torch.promote_types(points.dtype, torch.float32))
    if metric == "cosine":
        largest = points.abs().amax(1, keepdim=True)  # taken out first, so that no square underflows
        if bool((largest == 0).any()):
            raise ValueError(f"{name} has a row of zeros, which has no direction; drop it, or use metric='euclidean'")
        points = functional.normalize(points / largest, dim=1)
    if not bool(points.square().sum(1).isfinite().all()):
        raise ValueError(f"{name} must hold finite numbers with finite squares; drop rows with NaN, or rescale")
    return points
