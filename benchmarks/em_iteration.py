"""One EM iteration on a large array, against copying the array, in turn and in one process.

Run: ``.venv/bin/python benchmarks/em_iteration.py [n [k]]``. An iteration is an update of `ExpectationMaximization`, on
its rows and its threads, without a certificate; a copy is ``targets.copy_(probs)`` into memory that is there.
"""

from __future__ import annotations

import statistics
import sys

import torch
from timing import seconds

from paperlib.pseudo_labels._rows import Rows
from paperlib.pseudo_labels.em import ReverseCrossEntropy

ROUNDS = 40


def main() -> None:
    """Print one line for all threads and one for a single thread."""
    n, k = ([int(argument) for argument in sys.argv[1:]] + [1_000_000, 20][len(sys.argv) - 1 :])[:2]
    probs = torch.randn(n, k, generator=torch.Generator().manual_seed(0)).mul_(2).softmax(1)
    targets, spare = probs.clone(), torch.empty_like(probs)
    problem = ReverseCrossEntropy(1.0, torch.full((k,), 1 / k, dtype=torch.float64), probs.dtype)
    print(f"n = {n}, k = {k}, float32, medians of {ROUNDS} (least)")
    for threads in (torch.get_num_threads(), 1):
        torch.set_num_threads(threads)
        with Rows(probs, targets) as rows:
            marginal = rows.sum(lambda _, y: y.sum(0)) / n

            def iteration() -> None:
                nonlocal marginal
                marginal = rows.sum(problem.update(marginal)) / n

            times = [(seconds(iteration), seconds(lambda: spare.copy_(probs))) for _ in range(ROUNDS + 2)][2:]
        em, copy = zip(*times, strict=True)
        ratio, least = statistics.median(em) / statistics.median(copy), min(em) / min(copy)
        print(
            f"{threads} threads: iteration {1e3 * statistics.median(em):.1f} ms ({1e3 * min(em):.1f}), "
            f"copy {1e3 * statistics.median(copy):.1f} ms ({1e3 * min(copy):.1f}), ratio {ratio:.2f} ({least:.2f})"
        )


if __name__ == "__main__":
    main()
