"""What a pass over a memory-mapped file costs: reading, predicting, an EM iteration, the gradient; and an all-reduce.

Run: ``.venv/bin/python benchmarks/streaming.py [--out results/scale.csv] [--rounds 7]``. One thread, float32. Every
round is a row, its number in the column of seeds; the rounds go through all measurements in turn, so that a busy moment
falls on all alike. Units are in the metrics' names.

Cold is what the kernel had to fetch: the file's pages are given up first (``posix_fadvise``), and the round counts only
if the process's own count of bytes fetched says so. A virtual disk may still have had them in its host's memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import torch
from timing import seconds
from torch import Tensor, distributed, multiprocessing

from paperlib.experiments.results import Row, peak_memory, stamp, write_rows
from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.pseudo_labels._rows import Rows
from paperlib.pseudo_labels.em import ReverseCrossEntropy
from paperlib.training.streamed import create_rows, open_features, predict_into, streamed_step, sums_over_rows

SIZES, D, K = (100_000, 1_000_000), 64, 10
CHUNK = 2**20 // D  # rows, as in a step
LENGTHS = (10, 1000, 10 * (D + 2) + 2)  # of the vectors that are all-reduced; the last is what a step exchanges
CALLS = 200


def fetched() -> int:
    """Bytes that this process has had fetched from storage."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def read(x: Tensor, buffer: Tensor) -> None:
    """Copy all rows through a buffer."""
    for part in x.split(CHUNK):
        buffer[: len(part)].copy_(part)


def cold_read(path: Path, buffer: Tensor) -> float:
    """Seconds to read the file's rows from storage.

    Raises:
        RuntimeError: if less than nine tenths came from there.
    """
    with path.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before, x = fetched(), open_features(path)
    taken = seconds(lambda: read(x, buffer))
    if fetched() - before < 0.9 * path.stat().st_size:
        raise RuntimeError(f"of {path.stat().st_size} bytes only {fetched() - before} came from storage")
    return taken


def write_features(path: Path, n: int) -> None:
    """Normal features of ``n`` rows on the disk."""
    x = np.lib.format.open_memmap(path, "w+", np.float32, (n, D))
    draw = np.random.default_rng(0)
    for start in range(0, n, CHUNK):
        x[start : start + CHUNK] = draw.standard_normal(x[start : start + CHUNK].shape, np.float32)
    x.flush()


def passes(folder: Path, n: int, rounds: int) -> Iterator[tuple[str, str, int, float, float]]:
    """Method, metric, round, value and seconds of each measurement on a file of ``n`` rows."""
    path, buffer = folder / f"{n}.npy", torch.empty(CHUNK, D)
    write_features(path, n)
    probs, targets = (create_rows(folder / f"{name}{n}.npy", n, K) for name in ("probs", "targets"))
    for _ in warm(open_features(path), probs, targets, buffer):
        pass  # memory and files are touched
    for number in range(rounds):
        taken = cold_read(path, buffer)
        yield "cold, from storage", "read_bytes_per_second", number, path.stat().st_size / taken, taken
        for method, metric, value, taken in warm(open_features(path), probs, targets, buffer):
            yield method, metric, number, value, taken


def warm(x: Tensor, probs: Tensor, targets: Tensor, buffer: Tensor) -> Iterator[tuple[str, str, float, float]]:
    """The measurements of one round that find the file in the page cache; a map that is kept would keep it there."""
    n, draw = len(x), torch.Generator().manual_seed(0)
    weight, bias = 2 * torch.randn(K, D, generator=draw) / D**0.5, torch.randn(K, generator=draw)
    solver = ExpectationMaximization(2.0)
    taken = seconds(lambda: read(x, buffer))
    yield "warm, from the page cache", "read_bytes_per_second", x.nbytes / taken, taken
    taken = seconds(lambda: predict_into(probs, weight, bias, x, CHUNK))
    yield "prediction pass", "rows_per_second", n / taken, taken
    targets.copy_(probs)
    problem = ReverseCrossEntropy(2.0, torch.full((K,), 1 / K, dtype=torch.float64), torch.float32)
    with Rows(probs, targets) as rows:
        marginal = rows.sum(lambda _, y: y.sum(0)) / n
        for name, function in (("iteration", problem.update(marginal)), ("certificate", problem.certificate(marginal))):
            taken = seconds(partial(rows.sum, function))
            yield f"EM {name}", "rows_per_second", n / taken, taken
    taken = seconds(lambda: sums_over_rows(targets, weight, bias, x, solver, CHUNK))
    yield "gradient pass", "rows_per_second", n / taken, taken
    start = time.perf_counter()
    step = streamed_step(weight, bias, x, solver, probs=probs, targets=targets)
    taken = time.perf_counter() - start
    yield "whole step, weight 2", "rows_per_second", n / taken, taken
    yield "whole step, weight 2", "em_iterations", step.labels.n_iterations, taken


def all_reduces(rank: int, folder: str, rounds: int) -> None:
    """Of two processes: save the median seconds of a call, ``[rounds, lengths]``."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    found = torch.zeros(rounds, len(LENGTHS))
    for number in range(rounds):
        for place, length in enumerate(LENGTHS):
            vector = torch.ones(length, dtype=torch.float64)
            calls = [seconds(lambda v=vector: distributed.all_reduce(v.fill_(1.0))) for _ in range(CALLS)]
            found[number, place] = statistics.median(calls)
    torch.save(found, f"{folder}/reduced{rank}.pt")
    distributed.destroy_process_group()
    os._exit(0)  # all is saved; gloo's threads sometimes abort a Python that ends in the usual way


def main() -> None:
    """Print medians, and write the rows where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="CSV file of rows, replaced")
    parser.add_argument("--folder", type=Path, help="where the files are made, else the temporary folder")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shared = {"paper": "none", "table": "streaming", "size": "laptop", **stamp("cpu")}
    rows: list[Row] = []

    def keep(dataset: str, method: str, metric: str, number: int, value: float, taken: float) -> None:
        told = {"dataset": dataset, "method": method, "metric": metric, "seed": number, "value": value}
        rows.append(Row(**shared, **told, seconds=taken, peak_memory=peak_memory("cpu")))

    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        for n in SIZES:
            for measured in passes(Path(name), n, arguments.rounds):
                keep(f"normal, n={n}, d={D}, k={K}, float32", *measured)
        multiprocessing.spawn(all_reduces, (name, arguments.rounds), nprocs=2)
        slower = torch.maximum(*(torch.load(f"{name}/reduced{rank}.pt") for rank in (0, 1)))
    for number, taken in enumerate(slower.tolist()):
        for length, one in zip(LENGTHS, taken, strict=True):
            dataset = f"vector of {length}, float64"
            keep(dataset, "gloo, two processes", "all_reduce_microseconds", number, 1e6 * one, one)
    for key in dict.fromkeys((row.dataset, row.method, row.metric) for row in rows):
        values = [row.value for row in rows if (row.dataset, row.method, row.metric) == key]
        print(*key, f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})", sep=" | ")
    print("load average", *os.getloadavg())
    if arguments.out is not None:
        write_rows(arguments.out, rows)


if __name__ == "__main__":
    main()
