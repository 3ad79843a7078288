"""What the benchmarks time with, and the rows that they leave."""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from paperlib.experiments.results import Row, peak_memory, read_rows, stamp, write_rows

LEAST = 0.02  # seconds of a measurement; a shorter call is repeated


def seconds(function: Callable[[], object]) -> float:
    """Wall-clock seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark that leaves rows."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="CSV file of rows; those of the same table are replaced")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each contestant")
    return parser


def one_thread() -> None:
    """Let torch, NumPy and OpenMP use one thread each from now on."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def race(
    table: str, dataset: str, calls: Mapping[str, Callable[[], object]], rounds: int, *, peers: Sequence[str] = ()
) -> list[Row]:
    """Time contestants in turn, so that a busy moment falls on all alike; print their medians.

    The first calls of each are not counted.

    Args:
        table: which comparison it is.
        dataset: the problem.
        calls: what is timed, by the names of the contestants; the printed ratios are to the first.
        rounds: how often each has its turn.
        peers: packages whose versions the rows shall tell too.

    Returns:
        A row a contestant and round, of the seconds of a call; the round is the seed.
    """
    repeats = {}
    for name, call in calls.items():
        first = seconds(call)  # it may be the slow one
        repeats[name] = 1 if first > 10 * LEAST else math.ceil(LEAST / seconds(call))
    stamped = stamp("cpu")
    stamped["versions"] = ", ".join([stamped["versions"], *(f"{peer} {metadata.version(peer)}" for peer in peers)])
    rows = []
    for number in range(rounds):
        for name, call in calls.items():
            taken = seconds(lambda call=call, name=name: [call() for _ in range(repeats[name])])
            told = {"paper": "none", "table": table, "dataset": dataset, "method": name, "size": "laptop"}
            measured = {"value": taken / repeats[name], "seconds": taken, "peak_memory": peak_memory("cpu")}
            rows.append(Row(**told, seed=number, metric="seconds_per_call", **measured, **stamped))
    medians = {name: statistics.median(row.value for row in rows if row.method == name) for name in calls}
    base = next(iter(medians.values()))
    print(dataset, *(f"{name} {1e3 * t:.3g} ms ({t / base:.2f})" for name, t in medians.items()), sep="; ", flush=True)
    return rows


def keep(path: Path | None, rows: list[Row]) -> None:
    """Put rows into a file in the place of those of the same tables; None for no file."""
    if path is None:
        return
    tables = {row.table for row in rows}
    others = [row for row in read_rows(path) if row.table not in tables] if path.exists() else []
    write_rows(path, [*others, *rows])
