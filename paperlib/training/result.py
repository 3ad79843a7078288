"""What an optimiser reports."""

from __future__ import annotations

from typing import NamedTuple


class TrainingResult(NamedTuple):
    """Result of an optimisation; the model holds the parameters.

    Attributes:
        value: the objective plus the penalty, in nats: at the end and on all samples for a full batch, the mean over
            the last epoch for mini-batches.
        n_iterations: L-BFGS iterations, or epochs.
        n_evaluations: evaluations of value and gradient, each O(n k d) on a full batch.
        converged: whether the optimiser's stopping rule was met, at a finite value.
    """

    value: float
    n_iterations: int
    n_evaluations: int
    converged: bool
