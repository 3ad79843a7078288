r"""Exact transport by the network simplex of POT, an optional extra.

.. math::
    W(a, b) = \min_{P \ge 0} \{ \langle P, C \rangle : P 1 = a, P^\top 1 = b \}
            = \max_{f, g} \{ \langle f, a \rangle + \langle g, b \rangle : f_i + g_j \le C_{ij} \}.

Where the cost obeys the triangle inequality and is zero on the diagonal, mass that both measures have at a point may
stay there, and only the difference is moved: a problem of about half the rows and half the columns. Whether that was
optimal is certified, pair by pair, by the potentials; where it was not, the whole problem is solved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

_PIVOTS = 10**9  # no limit in practice
_POINTS_WORTH_A_THREAD = 200


def exact_potentials(measures: Tensor, pairs: Tensor, cost: Tensor) -> tuple[Tensor, Tensor]:
    """Optimal potentials of ``pairs``, both ``[p, n]``, float64, on the CPU; arguments as checked by the caller.

    Torch's number of threads is how many pairs are solved at once (POT releases Python's lock).

    Raises:
        ImportError: if POT is not installed.
        RuntimeError: if the network simplex fails, or its potentials do not prove its plan to be optimal.
    """
    try:
        from ot import emd
    except ImportError as error:
        message = "exact transport needs POT; install it with: pip install 'paperlib[transport]', or give entropic"
        raise ImportError(message) from error
    weights = measures.cpu().double().numpy()
    weights = weights / weights.sum(1, keepdims=True)
    costs = cost.cpu().double().numpy()
    unit = math.frexp(costs.max())[1]  # POT's tolerances are absolute: it gets costs up to one, by a power of two
    costs = np.ldexp(costs, -unit)
    middle = costs.sum(1).argmin()
    detours = costs[:, [middle]] + costs[middle]  # by the most central point: they expose most costs that are no metric
    is_metric = not costs.diagonal().any() and bool((costs <= detours * (1 + 1e-12)).all())
    solve = partial(_solve, cost=costs, may_stay=is_metric, emd=emd)
    n_threads = min(torch.get_num_threads(), pairs.shape[1]) if len(costs) >= _POINTS_WORTH_A_THREAD else 1
    problems = (weights[pairs[0].cpu().numpy()], weights[pairs[1].cpu().numpy()])
    if n_threads > 1:
        with ThreadPoolExecutor(n_threads) as pool:
            solved = list(pool.map(solve, *problems))
    else:
        solved = list(map(solve, *problems))
    f, g = np.ldexp(solved, unit).swapaxes(0, 1)
    return torch.from_numpy(f), torch.from_numpy(g)


def _solve(a: Array, b: Array, *, cost: Array, may_stay: bool, emd: Callable[..., Any]) -> tuple[Array, Array]:
    """Potentials of one pair, feasible and tight on all points, and optimal; the costs are at most one."""
    nothing = np.zeros_like(a)
    for stays in (np.minimum(a, b), nothing) if may_stay else (nothing,):
        source, sink = a - stays, b - stays
        rows, columns = source.nonzero()[0], sink.nonzero()[0]
        if len(rows) and len(columns):
            moved = source.sum()
            _, log = emd(
                source[rows] / moved,
                sink[columns] / sink.sum(),
                cost[np.ix_(rows, columns)],
                numItermax=_PIVOTS,
                log=True,
                center_dual=False,
                check_marginals=False,
            )
            if log["warning"] is not None:
                raise RuntimeError(f"POT's network simplex failed on {len(a)} points: {log['warning']}")
            value, g = moved * log["cost"], (cost[rows] - log["u"][:, None]).min(0)
        else:  # equal measures, and all stays
            value, g = 0.0, nothing
        f = (cost - g).min(1)
        if abs(value - (f @ a + g @ b)) <= 1e-10 * value + 1e-13:
            return f, g
    raise RuntimeError(
        f"the potentials of POT's network simplex on {len(a)} points prove {f @ a + g @ b:.12g} where its plan costs "
        f"{value:.12g} (in a unit that makes all costs at most one); give entropic"
    )
