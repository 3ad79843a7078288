"""Cells of an experiment: what is measured one at a time, and not again where its rows are there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from paperlib.experiments.fits import rows
from paperlib.experiments.results import Row, read_rows, write_rows

Measurement = tuple[dict[str, float], dict[str, Any]]


@dataclass(frozen=True)
class Cell:
    """One run of one method: what its rows say of it, and how to measure it.

    Attributes:
        table: column of the rows, as are ``dataset``, ``method``, ``size`` and ``seed``; together they name the cell.
        measure: gives the metrics, and the columns that only a run can know (`fits.Fit.circumstances`).
        paper: column of the rows.
    """

    table: str
    dataset: str
    method: str
    size: str
    seed: int
    measure: Callable[[], Measurement]
    paper: str = "none"

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What tells this cell from all others."""
        return self.table, self.dataset, self.method, self.size, self.seed

    def run(self) -> list[Row]:
        """Measure, and make the rows."""
        measured, circumstances = self.measure()
        table, dataset, method, size, seed = self.key
        columns = {"table": table, "dataset": dataset, "method": method, "size": size, "seed": seed}
        return list(rows(measured, paper=self.paper, **columns, **circumstances))


def run_cells(cells: Iterable[Cell], path: str | os.PathLike[str], *, progress: bool = True) -> list[Row]:
    """Run the cells whose rows the file does not have yet; it is written anew, in one step, after each.

    So a run that was stopped goes on where it was. Delete the file, or its rows of a cell, to measure again.

    Args:
        cells: what to run, in this order.
        path: file of rows; made if missing, and rows of other cells stay.
        progress: whether to draw a progress bar on standard error.

    Returns:
        All rows of the file.

    Raises:
        ValueError: if the file does not follow the schema.
        OSError: if it cannot be written.
    """
    found = read_rows(path) if Path(path).exists() else []
    done = {(row.table, row.dataset, row.method, row.size, row.seed) for row in found}
    todo = [cell for cell in cells if cell.key not in done]
    with tqdm(todo, disable=not progress, unit="cell") as bar:
        for cell in bar:
            bar.set_postfix_str(f"{cell.dataset}: {cell.method}, seed {cell.seed}")
            found += cell.run()
            write_rows(path, found)
    return found


def checkpoints_of(folder: str | os.PathLike[str] | None, name: str) -> Path | None:
    """The folder within ``folder`` for the checkpoints of the run called ``name``; None where there is none."""
    return None if folder is None else Path(folder) / name.replace("/", "-").replace(" ", "")
