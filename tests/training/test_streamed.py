"""Steps over features on the disk: the loss of the definition, its gradient, and no array as large as the features."""

import dataclasses
import itertools
import json
import math
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing

from paperlib.data import gaussian_blobs
from paperlib.metrics import clustering_accuracy
from paperlib.models import LinearSoftmax
from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.training import SelfLabeling, minimize_full_batch
from paperlib.training.streamed import create_rows, minimize_streamed, open_features, streamed_step

PRIOR = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
GAMMA = 0.07
SOLVERS = [
    ExpectationMaximization(2.0, 5000, tolerance=1e-13),
    ExpectationMaximization(2.0, 20, divergence="collision_cross_entropy"),
    ExpectationMaximization(2.0, 20, divergence="collision_cross_entropy", direction="reverse"),
]


def problem(n=50, d=4, k=3, dtype=torch.float64):
    draw = torch.Generator().manual_seed(0)
    weight, bias, x = (torch.randn(*shape, generator=draw, dtype=dtype) for shape in ((k, d), (k,), (n, d)))
    return weight, bias, x + 0.5


def definition(weight, bias, x, targets, solver):
    """The loss at given targets, by the papers' sums."""
    v, b, rows, y = (array.tolist() for array in (weight, bias, x, targets))
    n, k, coupling = len(rows), len(b), 0.0
    for i, row in enumerate(rows):
        scores = [math.exp(sum(a * z for a, z in zip(v[c], row, strict=True)) + b[c]) for c in range(k)]
        sigma = [score / sum(scores) for score in scores]
        if solver.divergence == "reverse_cross_entropy":
            coupling -= sum(sigma[c] * math.log(y[i][c]) for c in range(k)) / n
        else:
            coupling -= math.log(sum(sigma[c] * y[i][c] for c in range(k))) / n
    marginal = [sum(y[i][c] for i in range(n)) / n for c in range(k)]
    pairs = list(zip(PRIOR.tolist(), marginal, strict=True))
    pairs = pairs if solver.direction == "forward" else [(m, u) for u, m in pairs]
    fairness = sum(p * math.log(p / q) for p, q in pairs)
    return coupling + solver.fairness_weight * fairness + GAMMA * sum(a * a for row in v for a in row)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_value_is_that_of_the_definition_and_the_gradient_its_slope(solver):
    weight, bias, x = problem()
    found = streamed_step(weight, bias, x, solver, gamma=GAMMA, prior=PRIOR, chunk_rows=7)
    assert found.value == pytest.approx(definition(weight, bias, x, found.labels.targets, solver), abs=1e-12)
    for array, gradient in ((weight, found.weight_gradient), (bias, found.bias_gradient)):
        for place in np.ndindex(*array.shape):
            ends = []
            for move in (1e-5, -1e-5):
                moved = array.clone()
                moved[place] += move
                at = (moved, bias) if array is weight else (weight, moved)
                ends.append(definition(*at, x, found.labels.targets, solver))
            assert float(gradient[place]) == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_in_chunks_and_files_it_is_the_objective_in_memory(solver, tmp_path):
    weight, bias, x = problem(203)
    np.save(tmp_path / "x.npy", x.numpy())
    probs, targets = (create_rows(tmp_path / f"{name}.npy", 203, 3, torch.float64) for name in ("probs", "targets"))
    model = LinearSoftmax(weight, bias)
    loss = SelfLabeling(solver, PRIOR)(model(x)) + GAMMA * model.penalty()
    by_weight, by_bias = torch.autograd.grad(loss, (model.weight, model.bias))
    for chunk_rows in (1, 64, 203, None):
        found = streamed_step(
            weight,
            bias,
            open_features(tmp_path / "x.npy"),
            solver,
            gamma=GAMMA,
            prior=PRIOR,
            probs=probs,
            targets=targets,
            chunk_rows=chunk_rows,
        )
        assert found.value == pytest.approx(loss.item(), abs=1e-12)
        torch.testing.assert_close(found.weight_gradient, by_weight, rtol=0, atol=1e-12)
        torch.testing.assert_close(found.bias_gradient, by_bias, rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "probs.npy")), model(x).softmax(1).detach())
    assert torch.equal(torch.from_numpy(np.load(tmp_path / "targets.npy")), found.labels.targets)


def test_the_gradient_is_that_of_the_least_value_over_all_targets():
    weight, bias, x = problem()
    solver = SOLVERS[0]
    slope = streamed_step(weight, bias, x, solver, gamma=GAMMA).weight_gradient[1, 2]
    ends = []
    for move in (1e-4, -1e-4):
        moved = weight.clone()
        moved[1, 2] += move
        ends.append(streamed_step(moved, bias, x, solver, gamma=GAMMA).value)
    assert float(slope) == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-6)


def test_features_in_half_precision_are_worked_on_in_the_type_of_the_weight(tmp_path):
    weight, bias, x = problem()
    np.save(tmp_path / "x.npy", x.half().numpy())
    found = streamed_step(weight, bias, open_features(tmp_path / "x.npy"), SOLVERS[0])
    assert found.value == streamed_step(weight, bias, x.half().double(), SOLVERS[0]).value
    assert found.labels.targets.dtype == torch.float64


def test_a_warm_start_needs_fewer_iterations_and_gives_the_same():
    weight, bias, x = problem(200)
    targets = torch.empty(200, 3, dtype=torch.float64)
    cold = streamed_step(weight, bias, x, SOLVERS[0], targets=targets)
    warm = streamed_step(weight, bias, x, SOLVERS[0], targets=targets, warm_start=True)
    assert warm.labels.n_iterations < cold.labels.n_iterations / 4
    assert warm.value == pytest.approx(cold.value, abs=1e-12)


def test_streamed_lbfgs_ends_where_the_one_in_memory_does_and_sgd_descends():
    data = gaussian_blobs(300, 3, seed=0)
    start = torch.randn(3, data.x.shape[1], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    solver = ExpectationMaximization(5.0, 5000, tolerance=1e-10)
    x = data.x.double()
    streamed, in_memory, by_sgd = (LinearSoftmax(start, torch.zeros(3), mean=x.mean(0), scale=2.0) for _ in range(3))
    found = minimize_streamed(streamed, solver, x, gamma=0.01, steps=200)
    known = minimize_full_batch(in_memory, SelfLabeling(solver), x, gamma=0.01, tol=1e-12)
    assert found.value == pytest.approx(known.value, abs=1e-6)
    assert float(found.weight_gradient.norm()) < 1e-3
    assert clustering_accuracy(data.y, found.labels.targets.argmax(1)) > 0.95
    sgd = torch.optim.SGD(by_sgd.parameters(), lr=0.05)
    values = [minimize_streamed(by_sgd, solver, x, gamma=0.01, steps=2, optimizer=sgd).value for _ in range(4)]
    assert values == sorted(values, reverse=True)
    assert values[-1] > found.value - 1e-6


SHARDS = [(13, 37), (50, 0)]


def shard_of(x, sizes, rank):
    ends = [0, *itertools.accumulate(sizes)]
    return x[ends[rank] : ends[rank + 1]]


def steps_on(x, group=None):
    weight, bias, _ = problem()
    steps = [streamed_step(weight, bias, x, s, gamma=GAMMA, prior=PRIOR, group=group) for s in SOLVERS]
    last = minimize_streamed(LinearSoftmax(weight, bias), SOLVERS[0], x, gamma=GAMMA, steps=4, group=group)
    return [(*step[:3], step.labels.targets) for step in (*steps, last)]


def steps_on_rank(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        x, group = problem()[2], distributed.group.WORLD
        torch.save([steps_on(shard_of(x, sizes, rank), group) for sizes in SHARDS], f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()
    os._exit(0)  # all is saved; gloo's threads sometimes abort a Python that ends in the usual way


def test_two_ranks_take_the_steps_of_one_process_even_where_one_has_no_rows(tmp_path):
    multiprocessing.spawn(steps_on_rank, (tmp_path,), nprocs=2)
    by_rank = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    whole = steps_on(problem()[2])
    for ranks in zip(*by_rank, strict=True):  # one pair for each entry of SHARDS
        for place, (alone, *both) in enumerate(zip(whole, *ranks, strict=True)):
            allowed = 1e-11 if place < len(SOLVERS) else 1e-7  # L-BFGS magnifies rounding
            for found in both:
                for number, known in zip(found[:3], alone[:3], strict=True):
                    assert torch.as_tensor(number - known).abs().max() < allowed
            torch.testing.assert_close(torch.cat([found[3] for found in both]), alone[3], rtol=0, atol=1e-6)


ROWS, FEATURES, CLUSTERS = 2**20, 128, 24  # features of half a GiB, predictions and targets of 96 MiB each
ROOM = 64  # MiB that the process may take beyond what it has: too little for any of the three
ONE_UPDATE = ExpectationMaximization(2.0, 1)
LIMITED = """
    import json, resource, sys
    from pathlib import Path
    import numpy as np, torch
    from paperlib.pseudo_labels import ExpectationMaximization
    from paperlib.training.streamed import create_rows, open_features, streamed_step

    torch.set_num_threads(1)
    folder, room, solver = Path(sys.argv[1]), int(sys.argv[2]) * 2**20, ExpectationMaximization(2.0, 1)
    weight, bias = torch.load(folder / "parameters.pt")
    streamed_step(weight, bias, torch.ones(99, weight.shape[1]), solver, gamma=0.5)  # loads what is loaded late
    (held,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData"))
    limit = 1024 * int(held) + room
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    size = (folder / "x.npy").stat().st_size
    if limit >= size:
        sys.exit(f"the limit, {limit} bytes, is no less than the file's {size}")
    try:
        np.load(folder / "x.npy")
        sys.exit("the array was loaded, so the limit is none")
    except MemoryError:
        pass
    x = open_features(folder / "x.npy")
    probs, targets = (create_rows(folder / f"{name}.npy", len(x), len(weight)) for name in ("probs", "targets"))
    found = streamed_step(weight, bias, x, solver, gamma=0.5, probs=probs, targets=targets)
    print(json.dumps([found.value, found.weight_gradient.tolist(), found.bias_gradient.tolist()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_DATA")
def test_an_array_larger_than_the_allowed_memory_gives_the_step_of_the_array_in_memory(tmp_path):
    draw = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(CLUSTERS, FEATURES, generator=draw) / 4, torch.randn(CLUSTERS, generator=draw)
    block = torch.randn(2**15, FEATURES, generator=draw)
    x = torch.cat([block * (0.5 + part / 64) for part in range(ROWS // len(block))])
    np.save(tmp_path / "x.npy", x.numpy())
    torch.save((weight, bias), tmp_path / "parameters.pt")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path), str(ROOM)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(2**20)},  # freed chunks are given back
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    value, *gradients = json.loads(done.stdout)
    (tmp_path / "x.npy").unlink()
    model = LinearSoftmax(weight, bias)
    logits = model(x)
    loss = SelfLabeling(ONE_UPDATE)(logits) + 0.5 * model.penalty()
    assert value == pytest.approx(loss.item(), rel=1e-6)
    for found, known in zip(gradients, torch.autograd.grad(loss, (model.weight, model.bias)), strict=True):
        torch.testing.assert_close(torch.tensor(found), known, rtol=0, atol=1e-5)
    known = ONE_UPDATE.solve(logits.detach().softmax(1), warn=False).targets
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "targets.npy")), known, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weight": torch.ones(3, 4, dtype=torch.int64)}, TypeError, "weight must be a floating-point tensor, got"),
        ({"x": torch.ones(50, 5)}, ValueError, r"must have shapes \[k, d\], \[k\] and \[n, d\], got \[3, 4\], \[3\]"),
        (
            {"bias": torch.ones(3, dtype=torch.float32)},
            TypeError,
            "bias must have the weight's type torch.float64, got",
        ),
        ({"x": np.ones((50, 4))}, TypeError, "x must be a tensor, got ndarray; wrap an array by torch.from_numpy"),
        ({"bias": torch.ones(2).double()}, ValueError, r"must have shapes \[k, d\], \[k\] and \[n, d\]"),
        ({"probs": torch.ones(50, 3)}, ValueError, "probs must have shape .* and the weight's type torch.float64"),
        ({"targets": torch.ones(49, 3).double()}, ValueError, r"targets must have shape \[50, 3\]"),
        ({"warm_start": True}, ValueError, "warm_start=True needs targets"),
        ({"gamma": -1.0}, ValueError, "gamma must be a finite number >= 0, got -1.0"),
        ({"chunk_rows": 0}, ValueError, "chunk_rows must be a whole number of at least 1, got 0"),
        ({"prior": torch.ones(2) / 2}, ValueError, "prior must have one entry for each of the 3 clusters"),
        ({"x": torch.full((50, 4), math.nan)}, ValueError, "probs must have rows of probabilities"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    weight, bias, x = problem()
    given = {"weight": weight, "bias": bias, "x": x, "solver": SOLVERS[0], **change}
    with pytest.raises(error, match=message):
        streamed_step(**given)


def test_what_is_no_array_in_a_file_is_refused_by_name(tmp_path):
    for name, content in {
        "empty.npy": b"",
        "text.npy": b"some text that is long enough",
        "short.npy": b"\x93NUM",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} is no .npy file of numbers: .*; write one with numpy.save"):
            open_features(tmp_path / name)
    np.savez(tmp_path / "two.npz", a=np.ones(3))
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object))
    for name in ("two.npz", "objects.npy"):
        with pytest.raises(ValueError, match=r"is no \.npy file of numbers"):
            open_features(tmp_path / name)


def test_no_steps_are_refused():
    weight, bias, x = problem()
    with pytest.raises(ValueError, match="steps must be a whole number of at least 1, got 0"):
        minimize_streamed(LinearSoftmax(weight, bias), SOLVERS[0], x, steps=0)


def test_a_solver_that_stops_early_says_so_in_its_result_and_does_not_warn():
    weight, bias, x = problem()
    found = streamed_step(weight, bias, x, dataclasses.replace(SOLVERS[0], max_iterations=2))
    assert not found.labels.converged
