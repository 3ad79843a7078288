"""Pseudo-labels: EM and Newton's method on the dual, against projected gradient descent and two general optimisers.

Run: ``.venv/bin/python benchmarks/generic_solvers.py [--out results/performance.csv]``. Every contestant starts from
uniform targets, or from none, and has to come within ``CLOSE`` nats of the optimum, which is checked: EM and projected
gradient descent stop at a certificate of it, the others at tolerances of their own. Projected gradient descent takes
the step size, of several, with which it is there first. The general ones are SciPy's, with gradients: SLSQP on the
targets, with a constraint a row, and L-BFGS on logits of the targets, which needs none.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from timing import arguments, keep, one_thread, race
from torch import Tensor

from paperlib.pseudo_labels import DualNewton, ExpectationMaximization, ProjectedGradient

TABLE = "performance: pseudo-labels"
SIZES, K, WEIGHTS = (10, 40, 200, 1000, 5000), 5, (1.0, 30.0)
CLOSE = 1e-3
STEPS, MOST = (1e-3, 3e-4, 1e-4), 2**14  # of projected gradient descent
LARGEST = {"SLSQP": 40, "projected gradient": 1000}  # beyond, a call takes seconds

Array = NDArray[np.float64]


def parser() -> argparse.ArgumentParser:
    return arguments(__doc__)


def predictions(n: int) -> Tensor:
    """Soft rows of clusters of unequal size."""
    noise = torch.randn(n, K, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (2 * noise + 2 * torch.linspace(0, 1, K, dtype=torch.float64)).softmax(1)


def value(probs: Array, log_targets: Array, weight: float) -> float:
    """Reverse cross-entropy and weighted fairness, KL(u || mean), in nats; u is uniform."""
    fairness = -np.log(np.exp(log_targets).mean(0)).mean() - math.log(probs.shape[1])
    return float(-(probs * log_targets).sum(1).mean() + weight * fairness)


def by_targets(probs: Array, targets: Array, weight: float) -> Array:
    """The gradient of `value` by the targets."""
    return -(probs / targets + weight / (probs.shape[1] * targets.mean(0))) / len(probs)


def slsqp(probs: Array, weight: float) -> Array:
    """Targets by sequential quadratic programming."""
    n, k = shape = probs.shape
    sums = np.kron(np.eye(n), np.ones(k))
    found = minimize(
        lambda y: value(probs, np.log(y.reshape(shape)), weight),
        np.full(n * k, 1 / k),
        jac=lambda y: by_targets(probs, y.reshape(shape), weight).ravel(),
        method="SLSQP",
        bounds=[(1e-6, 1)] * (n * k),
        constraints={"type": "eq", "fun": lambda y: sums @ y - 1, "jac": lambda y: sums},
        options={"ftol": CLOSE / 1000, "maxiter": 1000},
    )
    return found.x.reshape(shape)


def lbfgs(probs: Array, weight: float) -> Array:
    """Targets by a quasi-Newton method on their logits."""

    def loss(logits: Array) -> tuple[float, Array]:
        log_targets = log_softmax(logits.reshape(probs.shape), axis=1)
        targets = np.exp(log_targets)
        along = targets * by_targets(probs, targets, weight)
        return value(probs, log_targets, weight), (along - targets * along.sum(1, keepdims=True)).ravel()

    options = {"ftol": 1e-7, "gtol": 1e-9, "maxiter": 10_000}
    found = minimize(loss, np.zeros(probs.size), jac=True, method="L-BFGS-B", options=options)
    return softmax(found.x.reshape(probs.shape), axis=1)


def fastest_descent(probs: Tensor, weight: float) -> ProjectedGradient:
    """Projected gradient descent with the step size that needs the fewest steps.

    Raises:
        RuntimeError: if none gets there.
    """
    found = []
    for step in STEPS:
        solver = ProjectedGradient(weight, step_size=step, tolerance=CLOSE, max_iterations=MOST)
        labels = solver.solve(probs, warn=False)
        if labels.converged:
            found.append((labels.n_iterations, solver))
    if not found:
        raise RuntimeError(f"no step size of {STEPS} converges for {len(probs)} rows and weight {weight:g}")
    return min(found, key=lambda one: one[0])[1]


def contestants(probs: Tensor, weight: float) -> dict[str, Callable[[], Tensor]]:
    """Each as a call that returns its targets."""
    given, uniform = probs.numpy(), torch.full_like(probs, 1 / K)
    em = ExpectationMaximization(weight, tolerance=CLOSE)
    newton = DualNewton(weight, tolerance=CLOSE / 10)
    calls: dict[str, Callable[[], Tensor]] = {
        "EM": lambda: em.solve(probs, start=uniform).targets,
        "DualNewton": lambda: newton.solve(probs).targets,
        "L-BFGS": lambda: torch.from_numpy(lbfgs(given, weight)),
    }
    if len(probs) <= LARGEST["SLSQP"]:
        calls["SLSQP"] = lambda: torch.from_numpy(slsqp(given, weight))
    if len(probs) <= LARGEST["projected gradient"]:
        descent = fastest_descent(probs, weight)
        calls["projected gradient"] = lambda: descent.solve(probs, start=uniform).targets
    return calls


def check_close(calls: dict[str, Callable[[], Tensor]], probs: Tensor, weight: float) -> None:
    """Refuse to time contestants that stop further than `CLOSE` from the optimum."""
    best = DualNewton(weight, tolerance=1e-12).solve(probs).targets
    values = {name: value(probs.numpy(), call().log().numpy(), weight) for name, call in calls.items()}
    least = value(probs.numpy(), best.log().numpy(), weight)
    far = {name: found - least for name, found in values.items() if not -1e-9 <= found - least <= CLOSE}
    if far:
        raise RuntimeError(f"more than {CLOSE:g} nats from the optimum, n={len(probs)}, weight {weight:g}: {far}")


def main() -> None:
    options = parser().parse_args()
    one_thread()
    rows = []
    for weight in WEIGHTS:
        for n in SIZES:
            probs = predictions(n)
            calls = contestants(probs, weight)
            check_close(calls, probs, weight)
            dataset = f"weight {weight:g}, soft rows, n={n}, k={K}, float64, 1 thread"
            rows += race(TABLE, dataset, calls, options.rounds, peers=("scipy",))
    keep(options.out, rows)


if __name__ == "__main__":
    main()
