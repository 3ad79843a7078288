"""Value and gradient of GEMINI objectives, here and in GemClus, the authors' package.

Run: ``.venv/bin/python benchmarks/gemini_objectives.py [--out results/performance.csv]`` (``pip install
'paperlib[peers]'`` first). Both start from logits and end with the gradient by them: around GemClus, which knows
probabilities, there is a softmax and its derivative in NumPy, as in GemClus's own models. Its Gram matrix is made
beforehand and not timed; ours is timed with the features, and with the same matrix too. All agree, which is checked.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from timing import arguments, keep, one_thread, race
from torch import Tensor

from paperlib.losses import gemini

TABLE = "performance: GEMINI"
SIZES, D, K = (200, 800, 3200), 64, 10


def parser() -> argparse.ArgumentParser:
    return arguments(__doc__)


def problem(n: int, d: int, k: int) -> tuple[Tensor, Tensor]:
    """Normal features, and logits that are linear in them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x, 2 * x @ torch.randn(d, k, generator=generator, dtype=torch.float64) / d**0.5


def ours(logits: Tensor, objective: str, **where: Tensor) -> tuple[Any, Any]:
    """Value, and gradient by the logits."""
    logits = logits.detach().requires_grad_()
    value = gemini(logits, objective, **where)
    return value.detach(), torch.autograd.grad(value, logits)[0]


def theirs(logits: Tensor, peer: Any, affinity: Tensor | None) -> tuple[Any, Any]:
    """The same by an objective of GemClus."""
    probs = softmax(logits.numpy(), axis=1)
    value, gradient = peer(probs, None if affinity is None else affinity.numpy(), return_grad=True)
    return value, probs * (gradient - (gradient * probs).sum(1, keepdims=True))


def check_same(found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    """Refuse to time two that differ in value or gradient."""
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def contestants(name: str, kind: str, x: Tensor, logits: Tensor) -> dict[str, Callable[[], tuple[Any, Any]]]:
    """Each as a call that returns value and gradient."""
    from gemclus.gemini import KLGEMINI, MMDGEMINI, TVGEMINI

    objective, peer = f"{name}_{kind}", {"mmd": MMDGEMINI, "kl": KLGEMINI, "tv": TVGEMINI}[name](ovo=kind == "ovo")
    if name != "mmd":
        return {"paperlib": partial(ours, logits, objective), "GemClus": partial(theirs, logits, peer, None)}
    gram = x @ x.T
    return {
        "paperlib": partial(ours, logits, objective, features=x),
        "paperlib, Gram matrix": partial(ours, logits, objective, affinity=gram),
        "GemClus": partial(theirs, logits, peer, gram),
    }


def main() -> None:
    options = parser().parse_args()
    one_thread()
    rows = []
    for n in SIZES:
        x, logits = problem(n, D, K)
        for name, kind in product(("mmd", "kl", "tv"), ("ova", "ovo")):
            calls = contestants(name, kind, x, logits)
            expected = calls["GemClus"]()
            for call in calls.values():
                check_same(call(), expected)
            dataset = f"{name}_{kind}, normal, n={n}, d={D}, k={K}, float64, 1 thread"
            rows += race(TABLE, dataset, calls, options.rounds, peers=("gemclus",))
    keep(options.out, rows)


if __name__ == "__main__":
    main()
