"""The contrast of cluster predictions from column sums, against the matrix of all pairs.

Run: ``.venv/bin/python benchmarks/contrast.py [--out results/performance.csv]``. Value and gradient of ``log_dot`` for
both views of n samples, k = 10, float32, one thread. The rival writes down all pairs as one would, ``(P P').log()`` and
cross-entropy. Both agree, which is checked.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial

import torch
from timing import arguments, keep, one_thread, race
from torch import Tensor
from torch.nn.functional import cross_entropy

from paperlib.losses import probability_contrastive_loss

TABLE = "performance: contrast"
SIZES, K = (32, 128, 512, 2048), 10


def parser() -> argparse.ArgumentParser:
    return arguments(__doc__)


def all_pairs(logits_a: Tensor, logits_b: Tensor) -> Tensor:
    """The same loss by the matrix of all pairs."""
    pooled = torch.cat((logits_a, logits_b)).softmax(1)
    scores = (pooled @ pooled.T).log()
    m = len(pooled)
    scores = scores.masked_fill(torch.eye(m, dtype=torch.bool), -math.inf)
    return cross_entropy(scores, torch.arange(m).roll(m // 2))


def step(loss: Callable[[Tensor, Tensor], Tensor], views: Tensor) -> tuple[Tensor, Tensor]:
    """Value, and gradient by both views."""
    views = views.detach().requires_grad_()
    value = loss(*views)
    return value.detach(), torch.autograd.grad(value, views)[0]


def main() -> None:
    options = parser().parse_args()
    one_thread()
    rows, generator = [], torch.Generator().manual_seed(0)
    for n in SIZES:
        views = 3 * torch.randn(2, n, K, generator=generator)
        losses = {"column sums": probability_contrastive_loss, "all pairs": all_pairs}
        calls = {name: partial(step, loss, views) for name, loss in losses.items()}
        (value, gradient), (expected, its_gradient) = (call() for call in calls.values())
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(gradient, its_gradient, rtol=1e-3, atol=1e-6)
        rows += race(TABLE, f"two views, n={n}, k={K}, float32, 1 thread", calls, options.rounds)
    keep(options.out, rows)


if __name__ == "__main__":
    main()
