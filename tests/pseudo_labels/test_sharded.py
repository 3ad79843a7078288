"""Rows in shards, in files and on threads: the same labels as for the whole in memory."""

import dataclasses
import itertools
import os

import numpy as np
import pytest
import torch
from problems import predictions
from torch import distributed, multiprocessing

from paperlib.pseudo_labels import AlternatingDirection, ExpectationMaximization, Sinkhorn, _rows

PRIOR = [0.4, 0.3, 0.2, 0.1]
SOLVERS = [
    ExpectationMaximization(3.0),
    ExpectationMaximization(2.0, divergence="collision_cross_entropy"),
    ExpectationMaximization(2.0, max_iterations=200, divergence="collision_cross_entropy", direction="reverse"),
    AlternatingDirection(2.0),
    Sinkhorn(3.0),
]


def rows_with_zeros():
    """Sixty predictions, of which the first have zeros: only some shards see them."""
    sigma = predictions(60, 4, tilt=2.0)
    sigma[:5] = torch.eye(4, dtype=torch.float64)[torch.arange(5) % 4]
    return sigma


def shard_of(sigma, sizes, rank):
    ends = [0, *itertools.accumulate(sizes)]
    return sigma[ends[rank] : ends[rank + 1]]


def solve_on_rank(rank, store, folder, sizes):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=len(sizes))
    try:
        mine = shard_of(rows_with_zeros(), sizes, rank)
        found = [solver.solve(mine, prior=torch.tensor(PRIOR), group=distributed.group.WORLD) for solver in SOLVERS]
        refused = [
            refusal_of(solver, mine if rank == 0 else mine + 1, torch.zeros(0, 4, dtype=torch.float64))
            for solver in SOLVERS
        ]
        torch.save(([tuple(result) for result in found], refused), f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()
    os._exit(0)  # all is saved; gloo's threads sometimes abort a Python that ends in the usual way


def refusal_of(solver, *shards):
    messages = []
    for shard in shards:
        try:
            solver.solve(shard, group=distributed.group.WORLD)
        except (ValueError, RuntimeError) as error:
            messages.append(f"{type(error).__name__}: {error}")
    return messages


@pytest.mark.parametrize("sizes", [(13, 47), (60, 0)])
def test_two_ranks_find_the_labels_of_one_process_and_refuse_together(sizes, tmp_path):
    multiprocessing.spawn(solve_on_rank, (tmp_path / "store", tmp_path, sizes), nprocs=2)
    sigma = rows_with_zeros()
    by_rank, refused = zip(*(torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)), strict=True)
    for solver, *shards in zip(SOLVERS, *by_rank, strict=True):
        whole = solver.solve(sigma, prior=torch.tensor(PRIOR))
        targets = torch.cat([targets for targets, *_ in shards])
        torch.testing.assert_close(targets, whole.targets, rtol=0, atol=1e-9)
        for _, value, n_iterations, converged, gap in shards:
            assert value == pytest.approx(whole.value, abs=1e-10)
            assert (n_iterations, converged) == (whole.n_iterations, whole.converged)
            assert gap == pytest.approx(whole.gap, rel=1e-6, abs=1e-12)
    if sizes[1]:  # rank 1 was given rows that are no probabilities
        for at_zero, at_one in zip(*refused, strict=True):
            assert at_zero[0].startswith("RuntimeError: 1 other ranks were given rows that they refuse")
            assert at_one[0].startswith("ValueError: probs must have rows of probabilities")
    for messages in itertools.chain(*refused):
        assert messages[-1] == "ValueError: probs must have rows on some rank, got none on all"


@pytest.mark.parametrize("solver", SOLVERS[:3])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_size_of_the_chunks_and_the_threads_change_nothing(solver, threads, monkeypatch):
    sigma = rows_with_zeros()
    whole = solver.solve(sigma, warn=False)
    monkeypatch.setattr(_rows, "_CHUNK", 1)  # sixteen rows, since it has no fewer
    monkeypatch.setattr(_rows, "_CHUNKS_A_THREAD", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            parts = solver.solve(sigma, warn=False)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(parts.targets, whole.targets, rtol=0, atol=1e-7)
    assert parts.value == pytest.approx(whole.value, rel=1e-10)
    assert parts.gap == pytest.approx(whole.gap, rel=1e-4)


@pytest.mark.parametrize("solver", SOLVERS[:3])
def test_predictions_in_a_file_are_solved_into_a_file(solver, tmp_path):
    sigma = rows_with_zeros().float()
    shape = tuple(sigma.shape)
    np.memmap(tmp_path / "probs", np.float32, "w+", shape=shape)[:] = sigma.numpy()
    probs, targets = (
        np.memmap(tmp_path / name, np.float32, "r+" if name == "probs" else "w+", shape=shape)
        for name in ("probs", "targets")
    )
    found = solver.solve(torch.from_numpy(probs), out=torch.from_numpy(targets))
    targets.flush()
    stored = torch.from_numpy(np.fromfile(tmp_path / "targets", np.float32).reshape(shape))
    assert torch.equal(stored, found.targets)
    assert torch.equal(stored, solver.solve(sigma).targets)


def largest_tensor(solver, probs, out):
    """Entries of the largest tensor that an operation of a solve returns, other than what it was given."""
    given, largest = {probs.data_ptr(), out.data_ptr()}, 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            nonlocal largest
            result = function(*arguments, **(options or {}))
            if isinstance(result, torch.Tensor) and result.untyped_storage().data_ptr() not in given:
                largest = max(largest, result.numel())
            return result

    with Watch():
        solver.solve(probs, out=out, warn=False)
    return largest


@pytest.mark.parametrize("solver", SOLVERS[:3])
@pytest.mark.parametrize("zeros", [False, True])
def test_with_out_nothing_as_large_as_the_predictions_is_made(solver, zeros, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # the mode below sees its own thread only
    monkeypatch.setattr(_rows, "_CHUNK", 600)
    sigma = predictions(4000, 6)
    if zeros:
        sigma[:6] = torch.eye(6, dtype=torch.float64)
    largest = largest_tensor(dataclasses.replace(solver, max_iterations=2), sigma, torch.empty_like(sigma))
    assert 0 < largest <= 4000  # a number for each row, for the checks
