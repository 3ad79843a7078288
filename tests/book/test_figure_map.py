"""book/figures.yml: that it leaves out no table or claim that we know of, and that all it points at exists."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import yaml
from built_book import ROOT, load_tool


def read(name: str) -> Any:
    """A list of the repository."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


LISTED, CLAIMS = read("book/figures.yml"), read("book/claims.yml")["claims"]
TABLES = [(table["paper"], table["table"]) for table in read("results/tables.yml")["tables"]]
PAGES = load_tool("build_book").pages_of_toc(ROOT / "_toc.yml")
every_entry = pytest.mark.parametrize(
    "entry", LISTED["figures"], ids=lambda entry: f"{entry['paper']}, {entry['about']}"
)


def labels_of(page: str) -> set[str]:
    """The labels and names of figures that a page gives in its source; headings can change and do not count."""
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    return {label or name for label, name in re.findall(r"^\((\S+)\)=$|^\s+name: (\S+)$", text, re.M)}


@every_entry
def test_an_entry_is_shown_or_says_why_it_is_not(entry):
    assert ("shown" in entry) != ("why" in entry)
    own = {"shown", "extent"} if "shown" in entry else {"why"} | (entry.keys() & {"instead"})
    assert entry.keys() - {"tables", "claims", "note"} == {"paper", "place", "about"} | own
    assert entry.get("extent", "in part") in ("as published", "in part")


@every_entry
def test_what_is_not_as_published_says_what_differs(entry):
    assert "why" in entry or "note" in entry


@every_entry
def test_a_place_that_shows_it_is_a_label_or_a_figure_of_a_page_of_the_book(entry):
    for target in entry.get("shown", entry.get("instead", [])):
        page, label = target.split("#")
        assert page in PAGES
        assert label in labels_of(page)


@every_entry
def test_its_tables_and_its_claims_are_those_of_its_paper(entry):
    assert {(entry["paper"], table) for table in entry.get("tables", [])} <= set(TABLES)
    assert set(entry.get("claims", [])) <= {claim["id"] for claim in CLAIMS if claim["paper"] == entry["paper"]}


def test_every_table_of_the_register_is_in_the_map_once():
    mapped = Counter((entry["paper"], table) for entry in LISTED["figures"] for table in entry.get("tables", []))
    assert mapped == Counter(TABLES)


def test_every_claim_that_rests_on_a_figure_or_table_is_in_the_map():
    mapped = {claim for entry in LISTED["figures"] for claim in entry.get("claims", [])}
    resting = {claim["id"] for claim in CLAIMS if re.search(r"\b(figure|table|result file)s?\b", claim["place"])}
    assert len(resting) >= 9
    assert resting <= mapped


def test_every_paper_says_what_is_known_of_it_and_has_an_entry():
    assert set(LISTED["papers"]) == {entry["paper"] for entry in LISTED["figures"]}
    assert {claim["paper"] for claim in CLAIMS} <= set(LISTED["papers"])


def test_a_number_is_given_only_where_it_was_read():
    numbered = {(entry["paper"], entry["place"]) for entry in LISTED["figures"] if re.search(r"\d", entry["place"])}
    assert numbered == {("do2021", "Figure 1")}
