"""Cost of one full-batch step against the two matrix products that it cannot do without.

Run: ``.venv/bin/python -m pytest benchmarks/bench_step.py -s --benchmark-disable`` (or with ``--benchmark-only`` for
pytest-benchmark's own tables). The ratio compares medians of measurements taken in turn, in one process.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch

from paperlib.models import LinearSoftmax
from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.training import MutualInformation, SelfLabeling

N, D, K = 50_000, 512, 10


def median_seconds_in_turn(*functions: Callable[[], object], rounds: int = 40) -> list[float]:
    """Median wall-clock seconds of each function, measured in turn so that a busy moment falls on all alike."""
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


@pytest.fixture(scope="module")
def problem():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N, D, generator=generator)
    weight = torch.randn(K, D, generator=generator) / D**0.5
    return x, LinearSoftmax(weight, torch.zeros(K), mean=x.mean(0), scale=float(x.var(0).sum()) ** 0.5)


def two_products(x, model):
    weight, upstream = model.coef.detach(), torch.rand(N, K)
    return lambda: (x @ weight.T, upstream.T @ x)


def one_step(x, model, objective):
    parameters = list(model.parameters())
    return lambda: torch.autograd.grad(objective(model(x)) + 1e-3 * model.penalty(), parameters)


def test_a_step_of_mutual_information_costs_at_most_twice_its_two_products(problem, benchmark):
    x, model = problem
    step = one_step(x, model, MutualInformation())
    products, whole = median_seconds_in_turn(two_products(x, model), step)
    benchmark.extra_info["ratio"] = whole / products
    benchmark(step)
    print(f"\nproducts {1e3 * products:.1f} ms, step {1e3 * whole:.1f} ms, ratio {whole / products:.2f}")
    assert whole <= 2 * products


def test_a_step_of_self_labeling_with_a_warm_start(problem, benchmark):
    x, model = problem
    step = one_step(x, model, SelfLabeling(ExpectationMaximization(1.0, tolerance=1e-6)))
    products, whole = median_seconds_in_turn(two_products(x, model), step)
    benchmark.extra_info["ratio"] = whole / products
    benchmark(step)
    print(f"\nproducts {1e3 * products:.1f} ms, step {1e3 * whole:.1f} ms, ratio {whole / products:.2f}")
