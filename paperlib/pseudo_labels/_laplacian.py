"""The linear system that Newton steps of two solvers share."""

from __future__ import annotations

import torch
from torch import Tensor


def solve_laplacian(matrix: Tensor, force: Tensor) -> Tensor:
    """Solve for a graph's Laplacian, of which only what is off the diagonal is read; the largest entry's vertex is 0.

    The diagonal is summed from the rest, and scaled to one: weak edges beside strong ones keep their digits.
    """
    matrix.fill_diagonal_(0)
    diagonal = (-matrix.sum(1)).clamp_min(torch.finfo(matrix.dtype).tiny)
    order = diagonal.argsort()[:-1]
    scale = diagonal[order].rsqrt()
    scaled = matrix[order[:, None], order] * scale * scale[:, None]
    scaled.fill_diagonal_(1)
    factor, failed = torch.linalg.cholesky_ex(scaled)
    if failed:  # singular up to rounding
        factor = torch.linalg.cholesky(scaled.fill_diagonal_(1 + 8 * len(force) * torch.finfo(force.dtype).eps))
    solution = torch.zeros_like(force)
    solution[order] = scale * torch.cholesky_solve((scale * force[order])[:, None], factor)[:, 0]
    return solution
