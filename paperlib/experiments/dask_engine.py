"""Cells on a Dask cluster, on this machine or wherever its scheduler has workers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paperlib.experiments.grid import GridCell
from paperlib.experiments.sweep import Finished, run_cell

if TYPE_CHECKING:
    from distributed import Client

SECONDS_TO_CONNECT = 10
ATTEMPTS = 4  # at a cell whose worker dies under it


@contextmanager
def connect(workers: int | None, scheduler: str | None) -> Iterator[Client]:
    """A client of a new cluster of ``workers`` processes on this machine, or of a running scheduler.

    The new cluster gives each worker its share of the cores (``OMP_NUM_THREADS`` of the environment goes first).

    Raises:
        ImportError: if Dask is not installed.
        ValueError: if the address is none.
        OSError: if nothing answers there, or no worker has joined.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError("workers need Dask; install it with: pip install 'paperlib[cluster]'") from error

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it reports the deaths that it then mends
    with dask.config.set({"distributed.scheduler.allowed-failures": ATTEMPTS - 1}):
        if scheduler is None:
            assert workers is not None
            threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
            with (
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=0,  # it would watch the worker, not the kernel that does the work
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                    env={"OMP_NUM_THREADS": threads},
                ) as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        try:
            client = Client(scheduler, timeout=SECONDS_TO_CONNECT)
        except (OSError, TimeoutError) as error:
            raise OSError(
                f"no Dask scheduler answers at {scheduler} within {SECONDS_TO_CONNECT} s; "
                "start one with `dask scheduler`, and give the address that it prints"
            ) from error
        except ValueError as error:
            raise ValueError(f"{scheduler!r} is no address of a Dask scheduler, such as tcp://host:8786") from error
        with client:
            try:
                client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
            except TimeoutError as error:
                problem = f"the scheduler at {scheduler} has no workers after {SECONDS_TO_CONNECT} s"
                raise OSError(f"{problem}; start some with `dask worker {scheduler}`") from error
            yield client


def run(client: Client, cells: Iterable[GridCell], folder: str, kernel: str) -> Iterator[Finished]:
    """The cells as they finish; one whose worker died is tried again on another."""
    from distributed import as_completed

    futures = {
        client.submit(run_cell, cell, folder, kernel, pure=False, priority=-place): cell
        for place, cell in enumerate(cells)
    }
    waiting = as_completed(futures)
    for future in waiting:
        if future.cancelled():
            raise OSError("the scheduler is gone; what is finished stays, and the same command goes on from there")
        error = future.exception()
        if error is None:
            yield _seen_here(future.result(), folder)
        else:
            yield Finished(futures[future], problem=f"{type(error).__name__}: {error}")
        future.release()


def _seen_here(one: Finished, folder: str) -> Finished:
    if one.problem or one.cell.place(folder).is_dir():
        return one
    problem = f"a worker finished it, but {folder} here does not hold it; choose a folder that all machines see"
    return Finished(one.cell, one.seconds, problem)
