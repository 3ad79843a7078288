"""The summary of all objectives in a real browser: one sheet of paper, and no formula leaves its cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

A4, MARGINS = (297, 210), (14, 12)  # millimetres, as in objectives.css
SHEET = tuple(round((whole - margin) / 25.4 * 96) for whole, margin in zip(A4, MARGINS, strict=True))
SHOWN = """() => [...document.querySelectorAll('body *')]
  .filter((e) => e.checkVisibility({visibilityProperty: true}) && !e.closest('mjx-container, script, style, svg'))
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim()))
  .map((e) => [parseFloat(getComputedStyle(e).fontSize), e.textContent.replace(/#$/, '').trim()])"""
FORMULAS = """() => [...document.querySelectorAll('td mjx-container, #legend mjx-container')].map((formula) => {
  const inside = formula.getBoundingClientRect(), cell = formula.parentElement.getBoundingClientRect();
  return [parseFloat(getComputedStyle(formula).fontSize), inside.right - cell.right, formula.textContent];
})"""


@pytest.fixture(scope="module")
def opened(browser: Any, html: Path) -> Iterator[Any]:
    """The page, its formulas set."""
    page = browser.new_page()
    page.goto((html / "book" / "reference" / "objectives.html").as_uri(), wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise")
    yield page
    page.close()


def test_it_prints_on_one_sheet(opened: Any) -> None:
    printed = opened.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    (box,) = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed))
    assert [round(float(side) / 72 * 25.4) for side in box] == list(A4)


def test_the_sheet_has_title_tables_and_legend_alone_in_readable_print(opened: Any) -> None:
    opened.emulate_media(media="print")
    opened.set_viewport_size(dict(zip(("width", "height"), SHEET, strict=True)))
    shown = opened.evaluate(SHOWN)
    texts = {text for _, text in shown}
    assert {"All objectives on one page", "Smoothness", "Legend", "IMSAT imsat()"} <= texts
    assert not {"At a glance", "Check it yourself", "Search", "Objectives"} & texts
    formulas = opened.evaluate(FORMULAS)
    assert min(size for size, *_ in [*shown, *formulas]) >= 7.5 / 72 * 96
    assert [text for _, over, text in formulas if over > 0.5] == []
    assert opened.evaluate("document.documentElement.scrollHeight") <= SHEET[1]
    assert opened.evaluate("document.documentElement.scrollWidth") <= SHEET[0]


def test_a_reader_in_dark_mode_prints_black_on_white(opened: Any) -> None:
    opened.emulate_media(media="print")
    opened.evaluate("document.documentElement.dataset.theme = 'dark'")
    colours = opened.evaluate(
        "[...document.querySelectorAll('h1, h2, td p, td code')].map((e) => getComputedStyle(e).color)"
    )
    opened.evaluate("document.documentElement.dataset.theme = 'light'")
    assert set(colours) == {"rgb(0, 0, 0)"}


@pytest.mark.parametrize("width", [360, 390, 800, 1250, 1280])
def test_no_formula_leaves_its_cell(opened: Any, width: int) -> None:
    opened.emulate_media(media="screen")
    opened.set_viewport_size({"width": width, "height": 900})
    assert [text for _, over, text in opened.evaluate(FORMULAS) if over > 0.5] == []
