"""What a pseudo-label solver returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class PseudoLabels(NamedTuple):
    """Result of a pseudo-label solver.

    Attributes:
        targets: pseudo-labels, shape ``[n, k]``, rows of probabilities.
        value: the objective reached, in nats, without terms that do not depend on the targets.
        n_iterations: iterations done.
        converged: whether the solver's own criterion was met.
        gap: upper bound of ``value - optimum``, from a feasible point of the dual; at least zero up to rounding.
    """

    targets: Tensor
    value: float
    n_iterations: int
    converged: bool
    gap: float
