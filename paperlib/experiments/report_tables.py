"""The register of the papers' tables, `results/tables.yml`: what each holds, its protocol, and what measures it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from paperlib.experiments.parameters import nearest
from paperlib.experiments.results import check_line
from paperlib.experiments.yaml_files import read_yaml


@dataclass(frozen=True)
class Table:
    """A table, or a figure that holds numbers, of one paper.

    Attributes:
        paper: bibliography key of the paper.
        table: its name, as in the rows and among the reported numbers.
        place: where the paper, or its authors' code, has it.
        datasets: what it is about, one line of prose.
        protocol: what was trained on and judged on, which epoch, and how our size differs from theirs.
        metrics: those of our rows that are shown; every reported number is.
        command: what makes our rows; empty where nothing here can.
        nearest: a table among our rows of no paper, to be shown where there are no rows of this one.
        reason: why there are no rows, or no reported numbers; empty where there are both.

    Raises:
        TypeError: if a field has the wrong type.
        ValueError: if a text is empty or has a line break.
    """

    paper: str
    table: str
    place: str
    datasets: str
    protocol: str
    metrics: tuple[str, ...] = ()
    command: str = ""
    nearest: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "metrics":
                if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
                    raise TypeError(f"metrics={value!r} must be a list of names")
                object.__setattr__(self, "metrics", tuple(value))
            elif not isinstance(value, str):
                raise TypeError(f"{one.name}={value!r} is a {type(value).__name__}; it must be one line of text")
            elif value or one.name in REQUIRED:
                check_line(value, one.name)

    @property
    def key(self) -> tuple[str, str]:
        """Paper and table, as in rows and reported numbers."""
        return self.paper, self.table

    @property
    def anchor(self) -> str:
        """What a link within the report points at."""
        return re.sub(r"[^a-z0-9]+", "-", f"reproduction {self.paper} {self.table}".lower())


KEYS = tuple(one.name for one in fields(Table))
REQUIRED = KEYS[:5]


def read_tables(path: str | os.PathLike[str]) -> list[Table]:
    """The tables of a register, each checked.

    Args:
        path: a YAML file with one key, ``tables``, which holds a list of mappings with the fields of :class:`Table`.

    Raises:
        ImportError: if PyYAML is not installed.
        FileNotFoundError: if there is no such file.
        ValueError: naming the file and the entry: if it is not YAML, a key is missing or unknown, a value is of the
            wrong type, or a table is there twice.
    """
    content = read_yaml(path)
    entries = content.get("tables") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not isinstance(content, dict) or set(content) != {"tables"}:
        raise ValueError(f"{path} must hold one key, 'tables', with a list of tables")
    found: dict[tuple[str, str], Table] = {}
    for number, entry in enumerate(entries, 1):
        try:
            table = _table(entry)
            if table.key in found:
                raise ValueError("it is there twice; keep one entry")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, table {number}{_name(entry)}: {error}") from None
        found[table.key] = table
    return list(found.values())


def check_complete(
    tables: Sequence[Table],
    rows: Iterable[tuple[str, str]],
    reported: Collection[tuple[str, str]],
    path: str | os.PathLike[str],
) -> None:
    """Refuse rows or reported numbers whose table is not in the register, so that none is left out of the report.

    Args:
        tables: the register.
        rows: paper and table of rows; those of a paper without an entry and without a reported number are passed over.
        reported: paper and table of reported numbers.
        path: file of the register, for the message.

    Raises:
        ValueError: naming every table that is missing.
    """
    papers = {table.paper for table in tables} | {paper for paper, _ in reported}
    used = {key for key in rows if key[0] in papers} | set(reported)
    missing = sorted(used - {table.key for table in tables})
    if missing:
        names = "; ".join(": ".join(key) for key in missing)
        raise ValueError(f"{path} has no entry for {names}; add one for each, with its protocol and command")


def _table(entry: Any) -> Table:
    if not isinstance(entry, dict):
        raise TypeError(f"{entry!r} is no mapping; give {', '.join(REQUIRED)} and more")
    for key in entry:
        if key not in KEYS:
            raise ValueError(f"unknown key {key!r}{nearest(str(key), KEYS)}; a table has {', '.join(KEYS)}")
    if missing := [key for key in REQUIRED if key not in entry]:
        raise ValueError(f"{', '.join(missing)} missing")
    return Table(**entry)


def _name(entry: Any) -> str:
    return f" ({entry.get('paper')}: {entry.get('table')})" if isinstance(entry, dict) else ""
