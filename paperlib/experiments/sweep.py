"""Run the cells of a grid, on this machine or on a Dask cluster, so that nothing finished is lost or run again.

A cell runs in a hidden folder, which is renamed when all of it is there: a folder ``cells/IDENTITY`` *is* a finished
cell. So nothing has to be remembered between calls, and whoever is killed, at whatever moment, leaves whole cells only.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paperlib.experiments.grid import GridCell, identity_of
from paperlib.experiments.results import read_rows, write_rows
from paperlib.experiments.run import RunError, load_papermill, run_notebook
from paperlib.experiments.store import ROWS


@dataclass(frozen=True)
class Finished:
    """What became of one cell in one call.

    Attributes:
        cell: the cell.
        seconds: wall-clock; zero where it was there before.
        problem: why it failed; empty where it did not.
        before: whether an earlier call had finished it.
    """

    cell: GridCell
    seconds: float = 0.0
    problem: str = ""
    before: bool = False

    @property
    def state(self) -> str:
        """One word or two."""
        return "failed" if self.problem else "was there" if self.before else "done"


Report = Callable[[Finished], None]


def run_sweep(
    cells: Sequence[GridCell],
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    kernel: str = "python3",
    report: Report = lambda _: None,
) -> list[Finished]:
    """Run the cells that are not finished, and merge the rows of all that are into ``out/rows.csv``.

    Args:
        cells: what `read_grid` gives.
        out: folder of the sweep. ``cells/IDENTITY`` holds a finished cell: executed notebook, log and rows;
            ``failed/IDENTITY`` the last attempt at one that failed. Workers on other machines must see it by this path.
        workers: processes of a Dask cluster on this machine; None: one cell after the other, in this process.
        scheduler: address of a running Dask scheduler, in the place of ``workers``.
        kernel: name of the Jupyter kernel.
        report: called with each cell, those that are finished already first.

    Returns:
        What became of each cell, in the order of ``cells``.

    Raises:
        ValueError: if ``workers`` is less than one, both are given, or the scheduler's address cannot be read.
        ImportError: if papermill or Dask is missing, naming the extra.
        OSError: if the scheduler does not answer, another sweep runs in ``out``, or it cannot be written.
    """
    load_papermill()  # a cell needs it; better said before the first
    if workers is not None and scheduler is not None:
        raise ValueError("workers and scheduler are both given; the scheduler has workers of its own, give one")
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers} must be at least 1")
    folder = Path(out).expanduser().resolve()
    found: dict[str, Finished] = {}

    def note(one: Finished) -> None:
        found[one.cell.identity] = one
        report(one)

    with _engine(workers, scheduler) as engine, _alone_in(folder):
        todo = []
        for cell in cells:
            if cell.place(folder).is_dir():
                note(Finished(cell, before=True))
            else:
                todo.append(cell)
        try:
            for one in engine(todo, str(folder), kernel):
                note(one)
            for left in (folder / "cells").glob(".*"):  # of calls that were killed
                shutil.rmtree(left, ignore_errors=True)
        finally:
            _merge(found, folder)
    return [found[cell.identity] for cell in cells]


def run_cell(cell: GridCell, folder: str, kernel: str) -> Finished:
    """Run one cell and put it in its place, here or on a worker; a failure is an answer, not an exception.

    Args:
        cell: what to run. A worker with another library or notebook finds another identity, and does not.
        folder: of the sweep.
        kernel: name of the Jupyter kernel.
    """
    began = time.perf_counter()
    place, failed = cell.place(folder), Path(folder) / "failed" / cell.identity
    if place.is_dir():  # by one who was thought dead
        return Finished(cell)

    def answer(problem: str) -> Finished:
        return Finished(cell, time.perf_counter() - began, problem)

    try:
        if identity_of(cell.notebook, cell.parameters) != cell.identity:
            return answer(f"{socket.gethostname()} has another version of paperlib or of {cell.notebook}")
        place.parent.mkdir(parents=True, exist_ok=True)
        hidden = f".{cell.identity}-"
        with tempfile.TemporaryDirectory(prefix=hidden, dir=place.parent, ignore_cleanup_errors=True) as name:
            scratch = Path(name) / cell.identity
            try:
                run_notebook(cell.notebook, scratch, parameters=cell.parameters, kernel=kernel)
            except RunError as error:
                if scratch.is_dir():
                    shutil.rmtree(failed, ignore_errors=True)
                    failed.parent.mkdir(exist_ok=True)
                    scratch.rename(failed)
                return answer(str(error).replace(str(scratch), str(failed)))
            try:
                scratch.rename(place)
            except OSError:
                if not place.is_dir():  # else another was first
                    raise
        shutil.rmtree(failed, ignore_errors=True)
    except Exception as error:  # whatever it is, it is this cell's, and the others go on
        return answer(f"{type(error).__name__}: {error}")
    return answer("")


def _merge(found: dict[str, Finished], folder: Path) -> None:
    """Write the rows of all that is finished; a cell whose rows cannot be read is one that failed."""
    rows = []
    for identity, one in found.items():
        path = one.cell.place(folder) / ROWS
        if not one.problem and path.exists():
            try:
                rows += read_rows(path)
            except ValueError as error:
                problem = f"{error}\nremove the folder {path.parent}, and the cell is run again"
                found[identity] = replace(one, problem=problem)
    write_rows(folder / ROWS, rows)


Engine = Callable[[Iterable[GridCell], str, str], Iterator[Finished]]


@contextmanager
def _engine(workers: int | None, scheduler: str | None) -> Iterator[Engine]:
    """What runs cells: this process, or a client of Dask."""
    if workers is None and scheduler is None:
        yield lambda cells, folder, kernel: (run_cell(cell, folder, kernel) for cell in cells)
        return
    from paperlib.experiments import dask_engine

    with dask_engine.connect(workers, scheduler) as client:
        yield lambda cells, folder, kernel: dask_engine.run(client, cells, folder, kernel)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep a second driver out of the folder; the system lets go of it when the first one dies."""
    from filelock import FileLock, Timeout

    from paperlib.runtime import cannot_write

    try:
        (folder / "cells").mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise OSError(f"another sweep is running in {folder}; wait for it, or choose another folder") from None
    except OSError as error:
        raise cannot_write(error, folder) from error
    try:
        yield
    finally:
        lock.release()


def summary(found: Sequence[Finished], *, longest: int = 40) -> str:
    """The cells of a sweep as a table, shortened to what failed where there are many, and a count."""
    shown: list[Any] = list(found) if len(found) <= longest else [one for one in found if one.problem][:longest]
    width = max((len(str(one.cell)) for one in shown), default=0)
    lines = [
        f"{one.cell.identity}  {one.cell!s:<{width}}  {one.state:<9}"
        + (f"  {one.seconds:8.1f} s" if one.seconds else "")
        for one in shown
    ]
    for one in shown:
        if one.problem:
            lines += ["", f"{one.cell.identity} {one.cell}", *(f"  {line}" for line in one.problem.splitlines())]
    counts = {state: sum(one.state == state for one in found) for state in ("done", "was there", "failed")}
    total = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return "\n".join([*lines, "", f"{len(found)} cells: {total}"])
