"""The exact Wasserstein GEMINI, value and gradient: here, in GemClus, and by POT's network simplex alone.

Run: ``.venv/bin/python benchmarks/wasserstein.py [--out results/performance.csv]`` (``pip install
'paperlib[peers,transport]'`` first). All three call the same network simplex, ``ot.emd``: POT alone is a call for each
cluster and nothing else, GemClus makes the objective and its gradient of that, and ours first takes out what need not
move, and certifies the result. Distances are made beforehand. Ours and GemClus agree in value and gradient, and all
three in the value, which is checked.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch
from gemini_objectives import check_same, ours, problem, theirs
from numpy.typing import NDArray
from timing import arguments, keep, one_thread, race

TABLE = "performance: Wasserstein"
SIZES, D, K = (100, 200, 400, 800), 16, 5
ROWS = {"soft": 0.5, "sure": 5.0}  # what the logits are multiplied by


def parser() -> argparse.ArgumentParser:
    return arguments(__doc__)


def transports(probs: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """The objective from POT's distances of each cluster to all samples, without a gradient."""
    import ot

    n, share = len(probs), probs.mean(0)
    every = np.full(n, 1 / n)
    columns = np.ascontiguousarray((probs / (n * share)).T)
    return float(sum(p * ot.emd2(column, every, distances) for p, column in zip(share, columns, strict=True)))


def main() -> None:
    options = parser().parse_args()
    from gemclus.gemini import WassersteinGEMINI

    one_thread()
    rows, peer = [], WassersteinGEMINI()
    for n in SIZES:
        x, base = problem(n, D, K)
        distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        for kind, factor in ROWS.items():
            logits = factor * base
            calls = {
                "paperlib": partial(ours, logits, "wasserstein_ova", affinity=distances),
                "GemClus": partial(theirs, logits, peer, distances),
                "POT": partial(transports, logits.softmax(1).numpy(), distances.numpy()),
            }
            check_same(calls["paperlib"](), calls["GemClus"]())
            check_same(calls["paperlib"]()[:1], (calls["POT"](),))
            dataset = f"{kind}, normal, n={n}, d={D}, k={K}, float64, 1 thread"
            rows += race(TABLE, dataset, calls, options.rounds, peers=("gemclus", "POT"))
    keep(options.out, rows)


if __name__ == "__main__":
    main()
