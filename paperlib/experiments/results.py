"""The row that every experiment writes: its columns, what each may hold, and the CSV file that holds them."""

from __future__ import annotations

import csv
import io
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SIZES = ("smoke", "laptop", "paper")
STAMPED_PACKAGES = ("paperlib", "torch", "numpy", "scikit-learn")
MEBIBYTE = 2**20


def column(meaning: str) -> Any:
    """A field of a schema, with what it means."""
    return field(metadata={"meaning": meaning})


def check_line(text: str, name: str) -> None:
    """Refuse a text that a cell of a table cannot hold.

    Raises:
        ValueError: if ``text`` is empty, has more than one line, or space around it.
    """
    if not text or text != text.strip() or len(text.splitlines()) != 1:
        raise ValueError(f"{name}={text!r} must be one line of text with no space around it, and not empty")


@dataclass(frozen=True)
class Row:
    """One measured number and what it takes to believe it.

    The columns and their meanings are the fields below; ``results/README.md`` shows the same table.

    Raises:
        TypeError: if a field has the wrong type.
        ValueError: if a text is empty or has a line break, ``size`` is unknown, or a number is out of its range.
    """

    paper: str = column("bibliography key of the paper, or `none`")
    table: str = column("table, figure or section that the number belongs to, such as `table 3`")
    dataset: str = column("name that `paperlib.data.load` knows, with the split, such as `digits/all`")
    method: str = column("method and the settings that tell it from its neighbours")
    size: str = column("`smoke` (seconds, in CI), `laptop` (minutes on a CPU) or `paper` (hours on a GPU)")
    seed: int = column("seed of the run, at least 0; every seed is a row, means are computed from rows")
    metric: str = column("what was measured, such as `accuracy`; losses and entropies are in nats")
    value: float = column("the number itself; `nan` where it is undefined, never infinite")
    seconds: float = column("wall-clock seconds of the run, at least 0; `nan` where not measured")
    peak_memory: float = column("peak memory in MiB, of the GPU or else of the process; `nan` where not measured")
    device: str = column("`cpu`, or the name of the GPU")
    versions: str = column("versions of Python and the packages that decide the number")
    commit: str = column("commit of the repository; `+dirty` if `paperlib/` differed from it, `unknown` outside git")

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.type == "str"):
            text = getattr(self, name)
            if not isinstance(text, str):
                raise TypeError(f"{name}={text!r} is a {type(text).__name__}; a row needs a str there")
            check_line(text, name)
        if self.size not in SIZES:
            raise ValueError(f"size={self.size!r} is unknown; choose one of {', '.join(SIZES)}")
        if type(self.seed) is not int:
            raise TypeError(f"seed={self.seed!r} is a {type(self.seed).__name__}; a row needs an int there")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed!r} must be at least 0")
        for name, lowest in (("value", -math.inf), ("seconds", 0.0), ("peak_memory", 0.0)):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise TypeError(f"{name}={number!r} is a {type(number).__name__}; use a float, such as float(tensor)")
            if math.isinf(number) or number < lowest:
                raise ValueError(f"{name}={number!r} must be finite{' and at least 0' if lowest == 0 else ''}, or nan")
            object.__setattr__(self, name, float(number))


COLUMNS = tuple(f.name for f in fields(Row))
HEADER = ",".join(COLUMNS) + "\n"


def schema_table(schema: type = Row) -> str:
    """The columns of a schema as a Markdown table; ``results/README.md`` holds exactly this."""
    lines = [f"| `{f.name}` | {f.type} | {f.metadata['meaning']} |" for f in fields(schema)]
    return "\n".join(["| column | type | meaning |", "|---|---|---|", *lines])


def stamp(device: str | torch.device | None = None) -> dict[str, str]:
    """What a row says of its machine and code: ``Row(..., **stamp(device))``.

    Args:
        device: where the run was, resolved as everywhere (None: CUDA where there is one, else the CPU).

    Returns:
        The columns ``device``, ``versions`` and ``commit``.
    """
    import torch

    from paperlib.runtime import resolve_device

    resolved = resolve_device(device)
    name = torch.cuda.get_device_name(resolved) if resolved.type == "cuda" else str(resolved)
    versions = [f"{package} {metadata.version(package)}" for package in STAMPED_PACKAGES]
    python = ".".join(map(str, sys.version_info[:3]))
    return {"device": name, "versions": ", ".join([f"python {python}", *versions]), "commit": _commit()}


def peak_memory(device: str | torch.device | None = None) -> float:
    """Peak memory so far in MiB: what torch allocated on a GPU, else what the process held; nan where unknown."""
    import torch

    from paperlib.runtime import resolve_device

    resolved = resolve_device(device)
    if resolved.type == "cuda":
        return torch.cuda.max_memory_allocated(resolved) / MEBIBYTE
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MEBIBYTE if sys.platform == "darwin" else peak / 1024  # macOS counts bytes, Linux KiB


def read_rows(path: str | os.PathLike[str]) -> list[Row]:
    """Rows of a CSV file, each checked.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the file and line, if the header or a row does not follow the schema.
    """
    with open(path, encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            raise ValueError(f"{path} has the header {','.join(header)!r}; results have {','.join(COLUMNS)}")
        try:
            return [_parse(values) for values in reader]
        except (TypeError, ValueError, csv.Error) as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def write_rows(path: str | os.PathLike[str], rows: Iterable[Row]) -> None:
    """Write rows as CSV, sorted, so that the same rows make the same bytes whatever their order.

    The file appears whole or not at all.

    Raises:
        OSError: if it cannot be written; what was there before stays.
    """
    from paperlib.runtime import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        # nan has no order of its own: it comes after every number.
        ordered = sorted(rows, key=lambda row: [_sortable(value) for value in astuple(row)])
        stream.write(HEADER)
        stream.write(as_csv(ordered))


def as_csv(rows: Iterable[Row]) -> str:
    """Lines of a CSV file, one a row, in the order given; floats keep every digit (``repr``), lines end in LF."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(repr(value) if isinstance(value, float) else value for value in astuple(row))
    return text.getvalue()


def _sortable(value: str | float) -> tuple[bool, str | float]:
    undefined = isinstance(value, float) and math.isnan(value)
    return undefined, 0.0 if undefined else value


def parse_row(line: str) -> Row:
    """The row in one line of a CSV file.

    Raises:
        TypeError, ValueError: if it is none.
    """
    return _parse(next(csv.reader([line])))


def _parse(values: Sequence[str]) -> Row:
    if len(values) != len(COLUMNS):
        raise ValueError(f"{len(values)} values, but there are {len(COLUMNS)} columns")
    readers = {"str": str, "int": int, "float": float}
    parsed = {}
    for column, text in zip(fields(Row), values, strict=True):
        try:
            parsed[column.name] = readers[str(column.type)](text)
        except ValueError:
            raise ValueError(f"{column.name} is {text!r}; it must be a {column.type}") from None
    return Row(**parsed)


def _commit() -> str:
    """Commit of the repository that this file is tracked in; a library installed elsewhere belongs to none."""
    folder = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        commit = git("rev-parse", "--short=12", "HEAD")
        return f"{commit}+dirty" if git("status", "--porcelain", "--", ".") else commit
    except (OSError, subprocess.SubprocessError):
        return "unknown"
