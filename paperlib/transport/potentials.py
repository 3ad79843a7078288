"""The gradients of a transport distance with respect to the two measures: its dual potentials."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib._checks import check_matrix, check_positive, check_probabilities, check_whole
from paperlib.transport.entropic import debiased_potentials
from paperlib.transport.exact import exact_potentials


class Potentials(NamedTuple):
    """Potentials of p pairs of measures on n points, in the unit of the cost, without gradient.

    Attributes:
        f: of the first measures, shape ``[p, n]``.
        g: of the second ones, shape ``[p, n]``.
    """

    f: Tensor
    g: Tensor


@torch.no_grad()
def transport_potentials(
    measures: Tensor,
    pairs: Tensor,
    cost: Tensor,
    *,
    entropic: float | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
) -> Potentials:
    r"""Dual potentials of the transport between pairs of measures a and b on the same points.

    The distance of a pair is :math:`\langle f, a \rangle + \langle g, b \rangle`, and f and g are its gradients with
    respect to a and b, up to a constant that cancels between probabilities (subgradients, where the exact distance
    has a kink; one of them at points without mass). Exactly, :math:`f_i + g_j \le C_{ij}` on all points, with
    equality for some j at each i; f is zero between equal measures when the cost has a zero diagonal and obeys the
    triangle inequality.

    With ``entropic`` it is the Sinkhorn divergence (Feydy et al., AISTATS 2019, arXiv 1810.08278): zero for equal
    measures, symmetric, never negative when :math:`e^{-C / \varepsilon}` is a positive kernel (as for Euclidean
    distances and their squares), and the exact distance in the limit of a small :math:`\varepsilon` when the cost has a
    zero diagonal.

    Cost: exactly, on the CPU, about O(n^3) a pair, and less for a metric with an exact zero diagonal, since mass that
    both measures have stays in place (by default ``torch.cdist`` leaves no exact zeros for many points). With
    ``entropic``, on the device of the measures, O(n^3) an iteration for the Hessian, and a few iterations for each
    halving from the largest cost to :math:`\varepsilon`; memory O(n^2), pairs are taken in chunks. On a CPU exact
    transport is the faster of the two.

    Args:
        measures: rows of probabilities, zeros allowed, shape ``[m, n]``; work is in float64 whatever their type.
        pairs: which two rows to compare, shape ``[2, p]``, int64.
        cost: of moving a unit of mass, shape ``[n, n]``, symmetric, finite, at least zero.
        entropic: :math:`\varepsilon`, in the unit of the cost; None for exact transport, which needs POT.
        tolerance: with ``entropic``, stop when a plan misses no more than this of a measure's mass.
        max_iterations: with ``entropic``, limit on the iterations.

    Returns:
        Potentials on the device and of the type of the measures.

    Raises:
        TypeError: if ``measures`` or ``cost`` is not a floating-point tensor.
        ValueError: if a shape does not fit, rows are not probabilities, a pair names no row, the cost is not
            symmetric, finite and at least zero, or a setting is out of range.
        ImportError: if exact transport is wanted and POT is not installed.
        RuntimeError: if the exact solver fails.
    """
    check_probabilities(measures, "measures")
    cost = _symmetric(cost, measures.shape[1])
    _check_pairs(pairs, len(measures))
    check_positive(tolerance, "tolerance")
    check_whole(max_iterations, "max_iterations")
    if entropic is not None:
        check_positive(entropic, "entropic")
    if pairs.shape[1] == 0:
        return Potentials(measures[:0], measures[:0])
    if entropic is None:
        f, g = exact_potentials(measures, pairs, cost)
    else:
        f, g, missing = debiased_potentials(measures, pairs, cost, entropic, tolerance, max_iterations)
        if missing > tolerance:
            warnings.warn(
                f"Sinkhorn stopped after {max_iterations} iterations with {missing:.3g} of the mass misplaced, above "
                f"{tolerance:.3g}; raise entropic (now {entropic:g}), max_iterations or tolerance",
                ConvergenceWarning,
                stacklevel=3,  # no_grad is a frame of its own
            )
    return Potentials(f.to(measures), g.to(measures))


def _symmetric(cost: Tensor, n: int) -> Tensor:
    if check_matrix(cost, "cost").shape != (n, n):
        raise ValueError(f"cost must have shape {[n, n]}, a row and a column for each point, got {list(cost.shape)}")
    least, largest = float(cost.min()), float(cost.max())
    if not 0 <= least <= largest < float("inf"):  # false for NaN
        raise ValueError(
            f"cost must be finite and at least zero, got entries from {least:.3g} to {largest:.3g}; shift it, or give "
            "points that cannot be reached from each other a large cost"
        )
    allowed = 1e-3 if torch.finfo(cost.dtype).eps > 1e-10 else 1e-6
    off = float((cost - cost.mT).abs().max())
    if off > allowed * largest:
        raise ValueError(f"cost must be symmetric, but is off its transpose by {off:.3g}; use (cost + cost.T) / 2")
    return (cost + cost.mT) / 2


def _check_pairs(pairs: Tensor, m: int) -> None:
    if not isinstance(pairs, Tensor) or pairs.dtype != torch.int64 or pairs.ndim != 2 or len(pairs) != 2:
        given = f"{pairs.dtype} {list(pairs.shape)}" if isinstance(pairs, Tensor) else type(pairs).__name__
        raise ValueError(f"pairs must be an int64 tensor of shape [2, p], got {given}; see all_pairs and random_pairs")
    if pairs.numel() and not 0 <= int(pairs.min()) <= int(pairs.max()) < m:
        raise ValueError(
            f"pairs must name rows of measures, 0 to {m - 1}, got {int(pairs.min())} to {int(pairs.max())}"
        )
