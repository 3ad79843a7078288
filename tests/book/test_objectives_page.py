"""The summary of all objectives: whole, and every row of it tied to the library by a cell of the page."""

from __future__ import annotations

import importlib
import re
import runpy
from pathlib import Path

import pytest
from built_book import ROOT

from paperlib import losses
from paperlib.estimators.entropy_clustering import METHODS
from paperlib.losses.contrastive import CRITICS
from paperlib.losses.gemini import OBJECTIVES

PAGE = (ROOT / "book" / "reference" / "objectives.md").read_text(encoding="utf-8")
TABLES = PAGE[: PAGE.index("(objectives-check)=")]
ROLE = re.compile(r"\{\w+\}`(?:[^`<]*<)?~?([\w.]+)>?`")
TARGETS = sorted(set(ROLE.findall(TABLES)))
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLES.splitlines()
    if line.startswith("| ") and not line.startswith("| Objective")
]
CELLS = re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```", PAGE, re.M | re.S)


def names_of(row: list[str]) -> list[str]:
    """What the first cell of a row calls the objective, or the objectives."""
    text = ROLE.sub("", row[0]).strip()
    return re.findall(r"`(\w+)`", text) or [text]


@pytest.mark.parametrize("target", TARGETS)
def test_a_name_on_the_page_is_one_of_the_library(target: str) -> None:
    module, _, name = target.rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def test_every_public_objective_is_on_the_page() -> None:
    assert {f"paperlib.losses.{name}" for name in losses.__all__} <= set(TARGETS)
    named = {name for row in ROWS for name in names_of(row)}
    assert {*OBJECTIVES, *CRITICS} <= named
    for method in METHODS[1:]:  # the first is the first row
        assert f'"{method}"' in TABLES


def test_every_row_has_six_cells_and_a_sign() -> None:
    for row in ROWS:
        assert len(row) == 6, row
        maximised = "Sparse GEMINI" in row[0] or names_of(row)[0] in OBJECTIVES
        assert row[2] == ("max" if maximised else "" if row[0].startswith("critics") else "min"), row
        assert all(row[at] for at in (0, 1, 4, 5)), row


def test_the_cells_of_the_page_tie_every_row_to_the_library(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(re.sub(r"^:tags:.*\n", "", cell) for cell in CELLS), encoding="utf-8")
    tied = {part for name, *_ in runpy.run_path(str(script))["rows"] for part in name.split(", ")}
    assert tied == {name for row in ROWS for name in names_of(row)}


def test_a_cell_fails_where_formula_and_library_differ() -> None:
    scope: dict = {}
    exec(re.sub(r"^:tags:.*\n", "", CELLS[0]), scope)
    with pytest.raises(AssertionError, match="a wrong formula"):
        scope["tie"]("a wrong formula", 1.0, 1.00001)
