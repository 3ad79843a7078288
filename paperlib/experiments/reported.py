"""What papers report, each number with its source, and how far ours are from it."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from statistics import fmean, variance

from paperlib.experiments.results import Row, check_line, column, schema_table


@dataclass(frozen=True)
class Reported:
    """A number that others reported.

    The columns and their meanings are the fields below; ``results/README.md`` shows the same table.

    Raises:
        ValueError: if a text is empty or not trimmed, or a number is out of its range.
    """

    paper: str = column("bibliography key of the paper")
    table: str = column("as in the rows that were measured here")
    dataset: str = column("as in the rows that were measured here")
    method: str = column("as in the rows that were measured here")
    metric: str = column("as in the rows that were measured here")
    value: float = column("the number, a mean where there were several runs; as many digits as we have")
    spread: float = column("standard deviation over the runs, at least 0; `nan` where not known")
    runs: int = column("number of runs, at least 1")
    source: str = column("where we read it")

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.type == "str"):
            check_line(getattr(self, name), name)
        if not math.isfinite(self.value):
            raise ValueError(f"value={self.value!r} must be finite")
        if self.spread < 0 or math.isinf(self.spread):
            raise ValueError(f"spread={self.spread!r} must be finite and at least 0, or nan")
        if self.runs < 1:
            raise ValueError(f"runs={self.runs!r} must be at least 1")

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What tells this number from all others, and which of our rows stand beside it."""
        return self.paper, self.table, self.dataset, self.method, self.metric


COLUMNS = tuple(f.name for f in fields(Reported))


def reported_table() -> str:
    """The columns as a Markdown table; ``results/README.md`` holds exactly this."""
    return schema_table(Reported)


def read_reported(path: str | os.PathLike[str]) -> list[Reported]:
    """The numbers of a CSV file, each checked.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the file and line, if the header or a line does not follow the schema, or a number is there
            twice.
    """
    with open(path, encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            raise ValueError(f"{path} has the header {','.join(header)!r}; reported numbers have {','.join(COLUMNS)}")
        found: dict[tuple[str, ...], Reported] = {}
        for values in reader:
            try:
                paper, table, dataset, method, metric, value, spread, runs, source = values
                numbers = float(value), float(spread), int(runs)
                one = Reported(paper, table, dataset, method, metric, *numbers, source)
                if one.key in found:
                    raise ValueError(f"{', '.join(one.key)} is there twice")
            except ValueError as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
            found[one.key] = one
    return list(found.values())


@dataclass(frozen=True)
class Comparison:
    """Our values, one a seed and at least two, beside a reported mean with its spread.

    Attributes:
        reported: theirs.
        values: ours, in the order of the seeds.
    """

    reported: Reported
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of ours."""
        return fmean(self.values)

    @property
    def spread(self) -> float:
        """Standard deviation of ours."""
        return math.sqrt(variance(self.values))

    @property
    def standard_error(self) -> float:
        """Of the difference between the two means, whose runs are independent."""
        theirs = self.reported.spread**2 / self.reported.runs
        return math.sqrt(variance(self.values) / len(self.values) + theirs)

    def agrees(self, rounding: float = 0.0005) -> bool:
        """Whether the means are within two standard errors, and what rounding has taken from theirs."""
        return abs(self.mean - self.reported.value) <= 2 * self.standard_error + rounding


def compare(rows: Iterable[Row], reported: Iterable[Reported]) -> list[Comparison]:
    """A comparison for each reported mean with a spread that at least two of our rows stand beside.

    Args:
        rows: ours, of one size.
        reported: theirs.
    """
    ours: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        ours.setdefault((row.paper, row.table, row.dataset, row.method, row.metric), []).append(row)
    return [
        Comparison(one, tuple(row.value for row in sorted(ours[one.key], key=lambda row: row.seed)))
        for one in reported
        if len(ours.get(one.key, ())) > 1 and not math.isnan(one.spread)
    ]
