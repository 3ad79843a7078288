"""A step of linear self-labelling over all rows: features in a file, in memory, and by autograd in one piece.

Run: ``.venv/bin/python benchmarks/from_file.py [--out results/performance.csv]``. The file is memory-mapped, and in the
page cache after the first call (``benchmarks/streaming.py`` has the cold disk). All three give the same value and
gradient, which is checked.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from timing import arguments, keep, one_thread, race
from torch import Tensor

from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.training import SelfLabeling, open_features, streamed_step

TABLE = "performance: from a file"
SIZES, D, K, WEIGHT = (2000, 20_000, 200_000), 64, 10, 2.0


def parser() -> argparse.ArgumentParser:
    parsed = arguments(__doc__)
    parsed.add_argument("--folder", type=Path, help="where the files are made, else the temporary folder")
    return parsed


def contestants(path: Path, n: int) -> dict[str, Callable[[], tuple[float, Tensor]]]:
    """Each as a call that returns value and gradient by the weight; the features are written to ``path``."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(n, D, generator=draw)
    weight, bias = 2 * torch.randn(K, D, generator=draw) / D**0.5, torch.randn(K, generator=draw)
    np.save(path, x.numpy())
    solver = ExpectationMaximization(WEIGHT)
    buffers = {"probs": torch.empty(n, K), "targets": torch.empty(n, K)}

    def in_chunks(features: Tensor) -> tuple[float, Tensor]:
        step = streamed_step(weight, bias, features, solver, **buffers)
        return step.value, step.weight_gradient.float()

    def whole() -> tuple[float, Tensor]:
        given = weight.clone().requires_grad_()
        loss = SelfLabeling(solver)(x @ given.T + bias)
        return loss.item(), torch.autograd.grad(loss, given)[0]

    return {"file": lambda: in_chunks(open_features(path)), "memory": lambda: in_chunks(x), "autograd": whole}


def main() -> None:
    options = parser().parse_args()
    one_thread()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for n in SIZES:
            calls = contestants(Path(folder) / f"{n}.npy", n)
            (value, gradient), *others = (call() for call in calls.values())
            for expected, its_gradient in others:
                torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(gradient, its_gradient, rtol=1e-3, atol=1e-5)
            rows += race(TABLE, f"normal, n={n}, d={D}, k={K}, float32, 1 thread", calls, options.rounds)
    keep(options.out, rows)


if __name__ == "__main__":
    main()
