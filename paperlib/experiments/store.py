"""The results store: rows are appended to one CSV file a run, and the files of many runs are merged on reading.

Why no database: SQLite's write-ahead log needs memory that its processes share, so it fails on the network file systems
on which clusters keep results. A file a run needs nothing but files: runs cannot get in each other's way, a damaged
file costs one run, and git shows what changed. The processes of *one* run take turns by a lock.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from paperlib.experiments.results import HEADER, Row, as_csv, parse_row, read_rows, write_rows

if TYPE_CHECKING:
    from filelock import BaseFileLock

ROWS = "rows.csv"


def record(rows: Iterable[Row]) -> Path | None:
    """Append rows to ``$PAPERLIB_RESULTS/rows.csv``, or do nothing where that variable is not set.

    Returns:
        The file that was written, or None.

    Raises:
        TypeError, ValueError, OSError: as `append_rows`.
    """
    new, folder = list(rows), os.environ.get("PAPERLIB_RESULTS")
    if not folder:
        _check(new)
        return None
    path = Path(folder).expanduser() / ROWS
    append_rows(path, new)
    return path


def append_rows(path: str | os.PathLike[str], rows: Iterable[Row]) -> None:
    """Append rows to a file: they are on the disk when this returns, and where it cannot be written, none is.

    Rows that are there stay, and a row appended twice is there twice. Any number of processes may append to one file;
    they take turns by the lock beside it, ``.rows.csv.lock``. A process that is killed in the middle leaves whole rows;
    a last line that it did not finish is no row, and goes with the next call.

    Cost: O(new rows), whatever the file holds.

    Raises:
        TypeError: if something that is not a :class:`Row` is among the rows.
        ValueError: if the file that is there has another header; it is left as it was.
        OSError: if the file or its folder cannot be written.
    """
    from paperlib.runtime import cannot_write

    final, new = Path(path), list(rows)
    _check(new)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _turn(final), FileIO(final, "a+") as stream:
            _append(stream, as_csv(new).encode(), final)
    except OSError as error:
        raise cannot_write(error, final) from error


def sort_rows(path: str | os.PathLike[str]) -> None:
    """Sort the rows of a file, if it is there, while no process appends to it.

    Raises:
        ValueError: if the file does not follow the schema; it is left as it was.
        OSError: if it cannot be written.
    """
    if Path(path).exists():
        with _turn(Path(path)):
            write_rows(path, read_rows(path))


def merge_rows(paths: Iterable[str | os.PathLike[str]], out: str | os.PathLike[str]) -> int:
    """Write the rows of many files, sorted, to one file; returns how many they are.

    Raises:
        FileNotFoundError, ValueError: as `read_rows`, for a file that is missing or does not follow the schema.
        OSError: if ``out`` cannot be written; what was there before stays.
    """
    rows = [row for path in paths for row in read_rows(path)]
    write_rows(out, rows)
    return len(rows)


def _turn(path: Path) -> BaseFileLock:
    """One process at a time within it; the system frees it when its holder dies."""
    from filelock import FileLock

    return FileLock(path.with_name(f".{path.name}.lock"), poll_interval=0.005)


def _append(stream: FileIO, lines: bytes, path: Path) -> None:
    end, header = stream.seek(0, os.SEEK_END), HEADER.encode()
    stream.seek(0)
    first = stream.read(len(header))
    if not header.startswith(first):
        raise ValueError(f"{path} does not start with the header of results, {HEADER.strip()!r}; move it away")
    start = _after_last_row(stream, end) if first == header else 0
    rest = memoryview(lines if start else header + lines)
    try:
        stream.truncate(start)
        while rest:
            rest = rest[stream.write(rest) :]
        os.fsync(stream.fileno())
    except OSError:
        stream.truncate(start)
        if start == 0:
            path.unlink()
        raise


def _after_last_row(stream: FileIO, end: int) -> int:
    """Where the next row begins; a whole row that only lacks its line end gets it."""
    stream.seek(max(0, end - 2**16))
    unfinished = stream.read().rpartition(b"\n")[2]
    if not unfinished:
        return end
    try:
        is_whole = re.fullmatch(r"[0-9a-f]{12}(\+dirty)?|unknown", parse_row(unfinished.decode()).commit)
    except (TypeError, ValueError, csv.Error):
        is_whole = None
    if not is_whole:
        return end - len(unfinished)
    return end + stream.write(b"\n")


def _check(rows: Iterable[Row]) -> None:
    for row in rows:
        if not isinstance(row, Row):
            raise TypeError(f"record was given a {type(row).__name__}; it takes paperlib.experiments.Row objects")
