"""What the papers report beside what was measured here, table by table, as Markdown: `paperlib report`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paperlib.experiments.report_lines import Line, details, every_seed, markdown_table, side_by_side
from paperlib.experiments.report_tables import Table, check_complete, read_tables
from paperlib.experiments.reported import Comparison, Reported, compare, read_reported
from paperlib.experiments.results import Row, read_rows

NOT_ROWS = "reported.csv"
LONGEST = 40  # lines of a table that is not folded, where nothing stands beside ours


@dataclass(frozen=True)
class Section:
    """One table of one paper: what is reported, what was measured, and both in one.

    Attributes:
        table: its entry of the register.
        rows: ours, of the metrics that are shown.
        reported: theirs.
        files: names of the files that our rows are in.
    """

    table: Table
    rows: tuple[Row, ...]
    reported: tuple[Reported, ...]
    files: tuple[str, ...]

    @property
    def borrowed(self) -> bool:
        """Whether the rows are of the nearest experiment, so that no number of theirs belongs beside them."""
        return any(row.paper != self.table.paper for row in self.rows)

    @property
    def lines(self) -> list[Line]:
        """One for each mean of ours, and one for each number of theirs without, in the order of the files."""
        theirs = {one.key: one for one in self.reported} if not self.borrowed else {}
        ours: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            ours.setdefault((row.dataset, row.method, row.metric, row.size), []).append(row)
        lines = []
        met: set[tuple[str, ...]] = set()
        for (dataset, method, metric, _), rows in ours.items():
            key = (*self.table.key, dataset, method, metric)
            met |= {key} & set(theirs)
            lines.append(Line(tuple(sorted(rows, key=lambda row: row.seed)), theirs.get(key)))
        return lines + [Line((), one) for one in self.reported if one.key not in met]

    @property
    def comparisons(self) -> list[Comparison]:
        """Of the lines where it can be asked whether the means agree: theirs has a spread, and ours two seeds."""
        return [found for line in self.lines if line.reported for found in compare(line.rows, [line.reported])]

    @property
    def markdown(self) -> str:
        """Protocol, command, circumstances, the numbers side by side, and every seed."""
        lines, entry = self.lines, self.table
        beside = [line for line in lines if line.rows and line.reported]
        ours = [line for line in lines if line.rows and not line.reported]
        theirs = [line for line in lines if not line.rows]
        parts = [f"**In the paper:** {entry.place}. **Data:** {entry.datasets}.", f"**Protocol:** {entry.protocol}"]
        if entry.reason:
            parts.append(f"**What is missing:** {entry.reason}")
        if entry.command:
            parts += ["**Command:**", f"```console\n{entry.command}\n```"]
        if self.rows:
            parts.append(self._circumstances())
            if self.borrowed:
                parts.append(f"These are rows of the nearest experiment of ours, called *{entry.nearest}*.")
        if beside:
            parts.append(side_by_side(beside, "reported", "ours", "gap"))
        for title, those, column in (("Ours, alone", ours, "ours"), ("Reported, not run here", theirs, "reported")):
            if len(those) > LONGEST or (beside and those):
                parts.append(details(f"{title} ({len(those)})", side_by_side(those, column)))
            elif those:
                parts += [f"{title}:", side_by_side(those, column)]
        if sources := sorted({one.source for one in self.reported}):
            parts.append(f"**Read in:** {'; '.join(sources)}.")
        parts.append(every_seed([*beside, *ours]) if self.rows else "*Nothing was measured here for this table.*")
        return "\n\n".join(parts)

    def _circumstances(self) -> str:
        sizes, devices = (sorted({getattr(row, name) for row in self.rows}) for name in ("size", "device"))
        versions = sorted({row.versions for row in self.rows})
        commits = sorted({row.commit for row in self.rows})
        short = [commit[:7] + ("+dirty" if commit.endswith("+dirty") else "") for commit in commits]
        files = ", ".join(f"`{name}`" for name in self.files)
        return (
            f"**Our rows:** {files}; size {', '.join(sizes)}; device {', '.join(devices)}; {' or '.join(versions)}; "
            f"commit {', '.join(short[:4])}{f' and {len(short) - 4} more' if len(short) > 4 else ''}."
        )


def sections(folder: str | os.PathLike[str] = "results") -> list[Section]:
    """The tables of the register, each with the numbers of both sides.

    Args:
        folder: holds ``tables.yml``, files of rows (every other ``.csv``), and ``reported.csv`` where there is one.

    Returns:
        One for each entry of the register, in its order.

    Raises:
        ImportError: if PyYAML is not installed.
        FileNotFoundError: if there is no such folder, or no register in it.
        ValueError: naming the file: if one does not follow its schema, a row is there twice, or the register has no
            entry for a table that reported numbers, or rows of one of its papers, name, or names an experiment that no
            rows are of.
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder {place}; give the one that holds tables.yml and files of rows")
    register = place / "tables.yml"
    tables = read_tables(register)
    theirs = read_reported(place / NOT_ROWS) if (place / NOT_ROWS).exists() else []
    paths = [path for path in sorted(place.glob("*.csv")) if path.name != NOT_ROWS]
    ours = [(path.name, row) for path in paths for row in read_rows(path)]
    _refuse_twins(ours)
    keys = {(row.paper, row.table) for _, row in ours}
    check_complete(tables, keys, {one.key[:2] for one in theirs}, register)
    found = []
    for table in tables:
        source = ("none", table.nearest) if table.nearest and table.key not in keys else table.key
        if source != table.key and source not in keys:
            raise ValueError(f"{register}, {table.paper}: {table.table}: no rows are of 'none: {table.nearest}'")
        reported = tuple(one for one in theirs if one.key[:2] == table.key)
        shown = {*table.metrics, *(one.metric for one in reported)}
        here = [(n, row) for n, row in ours if (row.paper, row.table) == source and row.metric in shown]
        if source in keys and not here:
            raise ValueError(f"{register}, {table.paper}: {table.table}: its rows have none of its metrics; name some")
        files = tuple(sorted({name for name, _ in here}))
        found.append(Section(table, tuple(row for _, row in here), reported, files))
    return found


def summary(found: Iterable[Section]) -> str:
    """One line a table, with a link to its section, as a Markdown table."""
    lines = []
    for one in found:
        beside = len({line.reported.key for line in one.lines if line.rows and line.reported})
        agreeing = [comparison.agrees() for comparison in one.comparisons]
        alone = sum(bool(line.rows and not line.reported) for line in one.lines)
        link = f'<a href="#{one.table.anchor}">{one.table.table}</a>'
        within = f"{sum(agreeing)} of {len(agreeing)}" if agreeing else "–"
        lines.append([one.table.paper, link, str(len(one.reported)), str(beside), within, str(alone)])
    header = ("paper", "table", "reported", "of these with ours beside", "within two standard errors", "ours alone")
    return markdown_table(header, lines)


def report(folder: str | os.PathLike[str] = "results") -> str:
    """Every table of the papers: what is reported, what was measured, the gap, the protocol, and the command.

    Means and standard deviations are over seeds, and every seed's value is there; the gap is ours minus theirs. It
    takes a second for some ten thousand rows.

    Args:
        folder: holds ``tables.yml``, files of rows (every other ``.csv``), and ``reported.csv`` where there is one.

    Returns:
        Markdown, for GitHub as for the book.

    Raises:
        ImportError: if PyYAML is not installed.
        FileNotFoundError: if there is no such folder, or no register in it.
        ValueError: as :func:`sections` does.
    """
    found = sections(folder)
    parts = ["# Reported and reproduced", summary(found)]
    for paper in dict.fromkeys(one.table.paper for one in found):
        parts.append(f"## {paper}")
        for one in found:
            if one.table.paper == paper:
                parts += [f'<a id="{one.table.anchor}"></a>', f"### {one.table.table}", one.markdown]
    return "\n\n".join(parts) + "\n"


def _refuse_twins(ours: Iterable[tuple[str, Row]]) -> None:
    named = [(r.paper, r.table, r.dataset, r.method, r.size, r.metric, f"seed {r.seed}") for _, r in ours]
    if twins := [key for key, count in Counter(named).items() if count > 1]:
        more = f" (and {len(twins) - 1} more)" if len(twins) > 1 else ""
        raise ValueError(f"a row is there twice: {', '.join(twins[0])}{more}; keep one, or the mean would count both")
