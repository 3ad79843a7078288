"""What the figure of GEMINI's distances computes, in a real browser, against ``paperlib.losses.gemini``."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from paperlib.kernels import Kernel, distances
from paperlib.losses import gemini
from paperlib.losses.gemini import DIVERGENCES, OBJECTIVES

pytestmark = pytest.mark.browser

CASES = ["soft", "nearly undecided", "nearly hard", "hard by large logits", "one-hot", "unequal shares", "coincident"]
CASES += ["an empty cluster", "a cluster of 1e-300", "all in one cluster", "two points"]


@pytest.fixture(scope="module")
def scope(functions):
    return functions("cluster-distances")


def one_hot(labels):
    return torch.eye(int(labels.max()) + 1, dtype=torch.float64)[labels].log()


def problem(case, seed=0):
    """Logits [n, k] and points [n, 2]."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(24, 2, generator=rng, dtype=torch.float64) * 2
    soft = torch.randn(24, 3, generator=rng, dtype=torch.float64)
    labels = torch.arange(24) % 3
    match case:
        case "soft":
            return 2 * soft, x
        case "nearly undecided":
            return 1e-5 * soft, x
        case "nearly hard":
            return soft + 30 * one_hot(labels).exp(), x
        case "hard by large logits":
            return 1000 * one_hot(labels).exp(), x
        case "one-hot":
            return one_hot(labels), x
        case "unequal shares":
            return one_hot((torch.arange(24) > 3).long() + (torch.arange(24) > 4)), x
        case "coincident":
            return 2 * soft, x[labels]
        case "an empty cluster":
            return torch.cat([2 * soft, torch.full((24, 1), -math.inf, dtype=torch.float64)], 1), x
        case "a cluster of 1e-300":
            return torch.cat([2 * soft, torch.full((24, 1), -690.0, dtype=torch.float64)], 1), x
        case "all in one cluster":
            return torch.tensor([[0.0, -math.inf]], dtype=torch.float64).expand(24, 2), x
        case "two points":
            return 2 * soft[:2], x[:2]
    raise ValueError(case)


def found(scope, logits, objective, **geometry):
    """The page's objective."""
    geometry = {name: value.tolist() for name, value in geometry.items()}
    return scope.evaluate("a => clusterDistances.gemini(...a)", [logits.tolist(), objective, geometry])


@pytest.mark.parametrize("case", CASES)
def test_all_twelve_objectives_are_the_librarys(scope, case):
    for seed in range(3):
        logits, x = problem(case, seed)
        for objective in OBJECTIVES:
            geometry = {} if objective.split("_")[0] in DIVERGENCES else {"features": x}
            expected = float(gemini(logits, objective, **geometry))
            assert found(scope, logits, objective, **geometry) == pytest.approx(expected, rel=1e-8, abs=1e-8), objective


@pytest.mark.parametrize("case", CASES)
def test_kernels_and_distances_as_matrices_are_the_librarys(scope, case):
    logits, x = problem(case)
    cost, gram = distances(x), Kernel("rbf", gamma=0.5)(x, x)
    theirs = scope.evaluate("x => clusterDistances.distances(x)", x.tolist())
    assert np.array(theirs) == pytest.approx(cost.numpy(), abs=1e-12)
    theirs = scope.evaluate("cost => clusterDistances.gaussian(cost, 0.5)", theirs)
    assert np.array(theirs) == pytest.approx(gram.numpy(), abs=1e-12)
    for (distance, affinity), kind in itertools.product((("wasserstein", cost), ("mmd", gram)), ("ova", "ovo")):
        expected = float(gemini(logits, f"{distance}_{kind}", affinity=affinity))
        value = found(scope, logits, f"{distance}_{kind}", affinity=affinity)
        assert value == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_unsure_predictions_keep_their_digits(scope):
    logits, _ = problem("nearly undecided")
    for distance in ("hellinger", "chi2"):
        expected = float(gemini(logits, f"{distance}_ova"))
        assert 1e-12 < expected < 1e-9
        assert found(scope, logits, f"{distance}_ova") == pytest.approx(expected, rel=1e-8)


def linear_program(mass, cost):
    """The least cost, by scipy's simplex on the whole problem."""
    source, sink, n = np.maximum(mass, 0), np.maximum(-mass, 0), len(mass)
    rows, columns = np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))
    result = linprog(cost.ravel(), A_eq=np.r_[rows, columns], b_eq=np.r_[source, sink], method="highs")
    assert result.status == 0
    return result.fun


@pytest.mark.parametrize("kind", ["uneven", "whole", "on a grid", "one source", "nothing"])
def test_transport_costs_what_a_linear_program_finds_and_its_moves_balance(scope, kind):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 4, size=(24, 2)) if kind == "on a grid" else rng.normal(size=(24, 2))
        mass = rng.exponential(size=24) ** 3 * rng.choice([-1, 1], size=24)
        if kind in ("whole", "on a grid"):
            mass = rng.permutation(np.r_[np.full(8, 2.0), np.full(16, -1.0)]) / 24
        elif kind == "one source":
            mass = np.r_[1.0, -np.full(23, 1 / 23)]
        elif kind == "nothing":
            mass = np.zeros(24)
        else:
            mass[mass < 0] *= mass[mass > 0].sum() / -mass[mass < 0].sum()
        cost = np.linalg.norm(x[:, None] - x[None], axis=2)
        plan = scope.evaluate("a => clusterDistances.transport(...a)", [mass.tolist(), cost.tolist()])
        assert plan["cost"] == pytest.approx(linear_program(mass, cost), rel=1e-9, abs=1e-12)
        carried = np.zeros(24)
        for start, end, amount in plan["moves"]:
            assert amount > 0
            carried[start] += amount
            carried[end] -= amount
        assert carried == pytest.approx(mass, abs=1e-12)


def test_costs_that_are_no_metric_are_solved_exactly_too(scope):
    rng = np.random.default_rng(0)
    for _ in range(10):
        mass, cost = rng.normal(size=20), rng.uniform(size=(20, 20)) ** 4
        mass -= mass.mean()
        plan = scope.evaluate("a => clusterDistances.transport(...a)", [mass.tolist(), cost.tolist()])
        assert plan["cost"] == pytest.approx(linear_program(mass, cost), rel=1e-9)


def test_the_worst_picture_of_six_transports_takes_less_than_a_frame(scope):
    logits, x = problem("soft")
    times = scope.evaluate(
        """([rows, x]) => Array.from({ length: 21 }, () => {
            const start = performance.now();
            for (const kind of ["ova", "ovo"]) clusterDistances.gemini(rows, `wasserstein_${kind}`, { features: x });
            return performance.now() - start;
        })""",
        [logits.tolist(), x.tolist()],
    )
    assert np.quantile(times, 0.25) < 50


def test_sureness_runs_from_undecided_to_hard_and_scales_what_is_linear_in_it(scope):
    labels = torch.arange(24) // 8
    x = problem("soft")[1]

    def rows(sure):
        logits = scope.evaluate("a => clusterDistances.logits(...a)", [labels.tolist(), 3, sure])
        return torch.tensor(logits, dtype=torch.float64)

    assert torch.equal(rows(1).softmax(1), torch.eye(3, dtype=torch.float64)[labels])
    assert torch.allclose(rows(0).softmax(1), torch.full((24, 3), 1 / 3, dtype=torch.float64))
    for objective in ("tv_ova", "tv_ovo", "mmd_ova", "mmd_ovo", "wasserstein_ova", "wasserstein_ovo"):
        geometry = {} if objective.startswith("tv") else {"features": x}
        hard, half = (found(scope, rows(sure), objective, **geometry) for sure in (1, 0.5))
        assert half == pytest.approx(hard / 2, rel=1e-12)
