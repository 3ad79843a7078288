"""The contrast of cluster predictions from column sums, against the matrix of all pairs, in turn and in one process.

Run: ``.venv/bin/python benchmarks/contrast.py``. Value and gradient of ``log_dot`` for both views of n samples, k = 10,
float32, one thread. The rival writes down all pairs as one would, ``(P P').log()`` and cross-entropy. Both agree, which
is checked.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from paperlib.losses import probability_contrastive_loss

ROUNDS = 9
CLUSTERS = 10


def all_pairs(logits_a: Tensor, logits_b: Tensor) -> Tensor:
    """The same loss by the matrix of all pairs."""
    pooled = torch.cat((logits_a, logits_b)).softmax(1)
    scores = (pooled @ pooled.T).log()
    m = len(pooled)
    scores = scores.masked_fill(torch.eye(m, dtype=torch.bool), -math.inf)
    return cross_entropy(scores, torch.arange(m).roll(m // 2))


def step(loss: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> tuple[float, Tensor, Tensor]:
    """Wall-clock seconds of value and gradient, the value, and the gradient of the first view."""
    a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
    start = time.perf_counter()
    value = loss(a, b)
    value.backward()
    assert a.grad is not None
    return time.perf_counter() - start, value.detach(), a.grad


def main() -> None:
    """Print one line for each number of samples."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    print(f"medians of {ROUNDS} rounds, one thread")
    for n in (256, 1024, 4096):
        a, b = 3 * torch.randn(2, n, CLUSTERS, generator=generator)
        times = []
        for _ in range(ROUNDS + 1):
            ours, value, gradient = step(probability_contrastive_loss, a, b)
            theirs, expected, its_gradient = step(all_pairs, a, b)
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(gradient, its_gradient, rtol=1e-3, atol=1e-6)
            times.append((ours, theirs))
        ours, theirs = (statistics.median(column) for column in zip(*times[1:], strict=True))
        print(f"n = {n:5}: sums {1e3 * ours:8.2f} ms, all pairs {1e3 * theirs:8.2f} ms, ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
