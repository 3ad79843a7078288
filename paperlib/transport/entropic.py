r"""Transport with an entropic term, debiased: the Sinkhorn divergence, on any device, for many pairs at once.

.. math::
    W_\varepsilon(a, b) = \min_P \langle P, C \rangle + \varepsilon \mathrm{KL}(P \,\|\, a b^\top), \qquad
    S_\varepsilon(a, b) = W_\varepsilon(a, b) - \tfrac12 W_\varepsilon(a, a) - \tfrac12 W_\varepsilon(b, b).

Source: Feydy, Séjourné, Vialard, Amari, Trouvé and Peyré, AISTATS 2019, arXiv 1810.08278.

With :math:`f_i(g) = -\varepsilon \ln \sum_j b_j e^{(g_j - C_{ij}) / \varepsilon}` the dual is concave in g alone,
:math:`\langle f(g), a \rangle + \langle g, b \rangle`; its gradient is b less the columns' sums of the plan. Each
iteration takes the better of Sinkhorn's pair of scalings and Newton's step times :math:`\ln(1 + r) / r`, where r is the
range of the step's entries over :math:`\varepsilon`: the length that is sure to raise a sum of log-sum-exps most (after
Bach 2010, arXiv 0910.4627). So the dual rises with every iteration, and near the optimum the error squares itself.
:math:`\varepsilon` starts at the largest cost and is halved for each pair as soon as its columns nearly fit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_ENTRIES = 2**20  # of the arrays [pairs, n, n] that are held at once
_NEARLY = 0.03  # what may be missing in the columns when epsilon is halved
_RIDGE = 1e-10  # of the matrix of norm one: points whose plan falls into parts make it singular


def debiased_potentials(
    measures: Tensor, pairs: Tensor, cost: Tensor, epsilon: float, tolerance: float, max_iterations: int
) -> tuple[Tensor, Tensor, float]:
    """Potentials of the Sinkhorn divergence of ``pairs``, both ``[p, n]``, and the largest residual; all in float64.

    Arguments as checked by the caller. The residual is the sum of what is missing in the columns, of a total of one.
    """
    weights = measures.double()
    weights = weights / weights.sum(1, keepdim=True)
    cost = cost.to(weights)
    used, (first, second) = pairs.to(weights.device).unique(return_inverse=True)
    weights, size = weights[used], max(1, _ENTRIES // cost.numel())
    each = torch.arange(len(used), device=used.device)  # the pairs, and each measure with itself
    solved = [
        _solve(weights[a], weights[b], cost, epsilon, tolerance, max_iterations)
        for a, b in zip(torch.cat([first, each]).split(size), torch.cat([second, each]).split(size), strict=True)
    ]
    fs, gs, residuals = zip(*solved, strict=True)
    f, g, p = torch.cat(fs), torch.cat(gs), len(first)
    middle = (f[p:] + g[p:]) / 2  # where parts of a measure are far apart, f and g err by opposite constants on each
    finest = cost.new_full((1, 1), epsilon)
    chunks = zip(middle.split(size), weights.split(size), strict=True)
    own = torch.cat([_soft_minimum(potential, a.log(), cost, finest) for potential, a in chunks])
    return f[:p] - own[first], g[:p] - own[second], max(residuals)


def _soft_minimum(potential: Tensor, log_weights: Tensor, cost: Tensor, epsilon: Tensor) -> Tensor:
    r""":math:`-\varepsilon \ln \sum_j w_j e^{(h_j - C_{ij}) / \varepsilon}`, shape ``[p, n]``."""
    return -epsilon * torch.logsumexp((log_weights + potential / epsilon)[:, None] - cost / epsilon[:, None], 2)


def _dual(g: Tensor, a: Tensor, b: Tensor, log_b: Tensor, cost: Tensor, epsilon: Tensor) -> Tensor:
    """What g proves of the transport's value, shape ``[p, 1]``."""
    return (a * _soft_minimum(g, log_b, cost, epsilon) + b * g).sum(1, keepdim=True)


def _newton(plan: Tensor, a: Tensor, columns: Tensor, gradient: Tensor) -> Tensor:
    r"""Newton's step over epsilon, :math:`[\operatorname{diag}(c) - P^\top \operatorname{diag}(a) P]^+ \nabla`.

    The plan's rows sum to one, and its columns to c under a. Scaled by :math:`c^{-1/2}` the matrix is the unit matrix
    less a positive one of norm one, with the kernel :math:`c^{1/2}`, which a term of rank one fills.
    """
    scale = torch.where(columns > 0, columns.rsqrt(), 0)
    root = columns.sqrt()
    thin = plan * a.sqrt()[:, :, None] * scale[:, None]
    matrix = root[:, :, None] * root[:, None] - thin.mT @ thin
    matrix.diagonal(dim1=1, dim2=2).add_(1 + _RIDGE)
    factor, _ = torch.linalg.cholesky_ex(matrix)
    return scale * torch.cholesky_solve((scale * gradient)[:, :, None], factor)[:, :, 0]


def _look_every(cost: Tensor) -> int:
    """Iterations between looks at the residual: on a GPU each look waits for the device."""
    return 10 if cost.is_cuda else 1


def _solve(
    a: Tensor, b: Tensor, cost: Tensor, epsilon: float, tolerance: float, max_iterations: int
) -> tuple[Tensor, Tensor, float]:
    """Biased potentials of pairs of rows of ``a`` and ``b``, shape ``[p, n]``, and the largest residual."""
    log_a, log_b, g = a.log(), b.log(), torch.zeros_like(b)
    largest, every = float(cost.max()), _look_every(cost)
    now, rounding = torch.full_like(b[:, :1], max(largest, epsilon)), 1e-14 * largest
    for iteration in range(max_iterations + 1):
        f = _soft_minimum(g, log_b, cost, now)
        plan = (log_b[:, None] + (f[:, :, None] + g[:, None] - cost) / now[:, None]).exp_()  # rows over a: sums of one
        columns = (a[:, None] @ plan)[:, 0]
        missing = (b - columns).abs().sum(1, keepdim=True)
        if iteration % every == 0 or iteration == max_iterations:
            residual = float(torch.where(now > epsilon, math.inf, missing).max())
            if residual <= tolerance or iteration == max_iterations:
                break
        scaled = _soft_minimum(f, log_a, cost, now)
        step = _newton(plan, a, columns, b - columns)
        reach = step.amax(1, keepdim=True) - step.amin(1, keepdim=True)
        moved = g + now * step * (reach.log1p() / reach)
        gain = _dual(moved, a, b, log_b, cost, now) - _dual(scaled, a, b, log_b, cost, now)
        g = torch.where(gain > -rounding, moved, scaled)  # scaled where the gain is not a number
        halved = torch.where(missing < _NEARLY, now / 2, now).clamp_min(epsilon)
        now = halved if iteration + 1 < max_iterations else torch.full_like(now, epsilon)
    return f, _soft_minimum(f, log_a, cost, now), residual
