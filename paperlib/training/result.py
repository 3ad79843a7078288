"""What an optimiser reports."""

from __future__ import annotations

from typing import NamedTuple


class TrainingResult(NamedTuple):
    """Result of an optimisation; the model holds the parameters.

    Attributes:
        value: the objective plus the penalty at the end, on all samples, in nats.
        n_iterations: L-BFGS iterations, or epochs.
        n_evaluations: evaluations of value and gradient, each O(n k d) on a full batch.
        converged: whether the stopping rule was met before the limit on iterations.
    """

    value: float
    n_iterations: int
    n_evaluations: int
    converged: bool
