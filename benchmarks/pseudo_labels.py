"""`DualNewton` beside EM, and EM beside projected gradient descent, each pair in turn and in one process.

Run: ``.venv/bin/python benchmarks/pseudo_labels.py [n [k ...]]`` for the first, to the same residual of the optimality
conditions. EM's updates alone are timed, not its checks, and it is given up when it has taken ``PATIENCE`` times as
long as the solver beside it: the ratio is then a lower bound. ``... pseudo_labels.py race [n]`` has the papers' race,
from uniform labels to the same certified gap, with the checks of both.
"""

from __future__ import annotations

import math
import statistics
import sys
import time

import torch
from torch import Tensor

from paperlib.pseudo_labels import DualNewton, ExpectationMaximization, ProjectedGradient

TOLERANCE, PATIENCE, ROUNDS = 1e-9, 15, 3


def residual(probs: Tensor, targets: Tensor, weight: float, prior: Tensor) -> float:
    """The largest ``|y (mu - weight u / mean y) - sigma|``, with ``mu`` from the sum over the row.

    Or a negative factor ``mu - weight u / mean y``, if that is larger: there a target of zero only looks optimal.
    """
    slopes = weight * prior / targets.mean(0)
    multipliers = 1 + targets @ slopes
    distances = multipliers[:, None] - slopes
    return max(float((targets * distances - probs).abs().max()), -float(distances.min()))


def problems(n: int, k: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Rows of several kinds, and a prior for each."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n, k, generator=generator, dtype=torch.float64)
    ramp = torch.linspace(0, 1, k, dtype=torch.float64)
    uniform = torch.full((k,), 1 / k, dtype=torch.float64)
    skewed = (ramp + 0.1) / (ramp + 0.1).sum()
    return {
        "flat, balanced": ((0.5 * noise).softmax(1), uniform),
        "soft, balanced": ((2 * noise).softmax(1), uniform),
        "soft, skewed prior": ((2 * noise).softmax(1), skewed),
        "soft, unbalanced": ((2 * noise + 4 * ramp).softmax(1), uniform),
        "sure, balanced": ((10 * noise).softmax(1), uniform),
        "sure, unbalanced": ((10 * noise + 10 * ramp).softmax(1), uniform),
        "surest, unbalanced": ((40 * noise + 40 * ramp).softmax(1), uniform),
        "one-hot, skewed prior": (torch.eye(k, dtype=torch.float64)[noise.argmax(1)], skewed),
    }


def em_until(probs: Tensor, weight: float, prior: Tensor, patience: float) -> tuple[int, float, float]:
    """Updates, seconds and residual of EM until ``TOLERANCE``, or until ``patience`` seconds have passed."""
    share = torch.finfo(probs.dtype).eps ** 0.5 if probs.min() < 1e-150 else 0.0  # as `ExpectationMaximization` does
    targets, pull = (1 - share) * probs + share * prior, weight * prior
    seconds, iterations, reached = 0.0, 0, math.inf
    while reached > TOLERANCE and seconds < patience:
        block = max(1, iterations // 8)
        start = time.perf_counter()
        for _ in range(block):
            targets = torch.addcmul(probs, targets, pull / targets.mean(0))
            targets /= targets.sum(1, keepdim=True)
        seconds += time.perf_counter() - start
        iterations += block
        reached = residual(probs, targets, weight, prior)
    return iterations, seconds, reached


def compare(n: int, k: int, weight: float) -> None:
    """Print one line for each kind of rows."""
    for name, (probs, prior) in problems(n, k).items():
        solver, newton, em = DualNewton(weight, tolerance=TOLERANCE), [], []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            found = solver.solve(probs, prior=prior, warn=False)
            newton.append(time.perf_counter() - start)
            updates, seconds, reached = em_until(probs, weight, prior, PATIENCE * statistics.median(newton))
            em.append(seconds)
        ratio = statistics.median(em) / statistics.median(newton)
        sign = " " if reached <= TOLERANCE else ">"
        print(
            f"{k:5d} {weight:7g}  {name:22s} {found.n_iterations:4d} {statistics.median(newton):9.4f} "
            f"{residual(probs, found.targets, weight, prior):9.1e} {updates:7d} {statistics.median(em):9.4f} "
            f"{reached:9.1e} {sign}{ratio:6.1f}",
            flush=True,
        )


def race(n: int, k: int, tolerance: float) -> None:
    """Print the papers' race at fairness weight 1: EM against projected gradient descent at each of several steps."""
    probs, _ = problems(n, k)["soft, unbalanced"]
    start, em = torch.full_like(probs, 1 / k), ExpectationMaximization(1.0, tolerance=tolerance)
    seconds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        found = em.solve(probs, start=start)
        seconds.append(time.perf_counter() - begun)
    taken = statistics.median(seconds)
    print(f"{k:4d}  {tolerance:7.0e}  EM {found.n_iterations:15d} {1e3 * taken / found.n_iterations:9.3f} {taken:9.4f}")
    for rate in (1e-1, 1e-2, 1e-3, 1e-4):
        steps, spent, descent = 64, 0.0, None
        while spent < PATIENCE * taken and (descent is None or not descent.converged):
            solver = ProjectedGradient(1.0, step_size=rate, tolerance=tolerance, max_iterations=steps)
            begun = time.perf_counter()
            descent = solver.solve(probs, start=start, warn=False)
            spent, steps = time.perf_counter() - begun, 2 * steps
        sign = " " if descent.converged else ">"
        print(
            f"{'':13s}  step {rate:5.0e} {sign}{descent.n_iterations:6d} {1e3 * spent / descent.n_iterations:9.3f} "
            f"{sign}{spent:8.4f}  {sign}{spent / taken:.1f} times EM, gap {descent.gap:.1e}",
            flush=True,
        )


def main() -> None:
    """Print the table for ``n`` rows and each ``k`` of the command line, 10,000 and 2, 10, 100 unless it has any."""
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["race"]:
        n = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
        print(f"n = {n}, one thread, float64, fairness weight 1; seconds with checks at iterations 1, 2, 4, 8, ...")
        print("   k      gap     iterations   ms each   seconds")
        for k in (2, 20, 200):
            for tolerance in (1e-3, 1e-5):
                race(n, k, tolerance)
        return
    n, *clusters = [int(argument) for argument in sys.argv[1:]] or [10_000]
    print(f"n = {n}, one thread, float64, residual {TOLERANCE:g}; ratio = EM's seconds over DualNewton's")
    print("    k  weight  rows                   steps   seconds  residual updates   seconds  residual  ratio")
    for k in clusters or (2, 10, 100):
        for weight in (0.1, 1.0, 10.0, 1e4):
            compare(n, k, weight)


if __name__ == "__main__":
    main()
