"""book/claims.yml: what a row must have, and that all it points at exists. Its claims are tested in test_claims.py."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml
from docutils.nodes import make_id

ROOT = Path(__file__).resolve().parents[2]
LIST = yaml.safe_load((ROOT / "book" / "claims.yml").read_text(encoding="utf-8"))
PAGES_BUILT = re.findall(r"^\s*- file: (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"), re.M)
every_row = pytest.mark.parametrize("row", LIST["claims"], ids=lambda row: row["id"])


def anchors_of(page):
    """Every place of a page that a link can lead to: its headings, and what has a label or a name."""
    path = next(path for end in (".md", ".ipynb") if (path := ROOT / f"{page}{end}").is_file())
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    labels = re.findall(r"^\s*:?(?:label|name): (\S+)|^\((\S+)\)=", text, re.M)
    headings = re.findall(r"^#+ (.+)", text, re.M)
    return {first or second for first, second in labels} | {make_id(heading) for heading in headings}


@every_row
def test_a_row_has_what_it_needs_and_nothing_else(row):
    evidence = "needs" if row["verdict"] == "not tested" else "link"
    assert {"id", "paper", "claim", "place", "verdict", evidence} == row.keys() - {"note"}
    assert row["verdict"] in LIST["verdicts"]
    assert row["paper"] in LIST["papers"]


@every_row
def test_a_verdict_that_says_less_than_the_claim_has_a_note(row):
    assert "note" in row or row["verdict"] not in ("reproduced in part", "refuted", "not reproduced")


@every_row
def test_a_proof_stands_on_a_page(row):
    assert row["verdict"] != "proved here" or "#" in row["link"]


def test_ids_are_different():
    ids = [row["id"] for row in LIST["claims"]]
    assert len(ids) == len(set(ids))


def test_the_papers_are_the_five_and_stand_in_the_bibliography():
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    assert len(LIST["papers"]) == 5
    assert {row["paper"] for row in LIST["claims"]} == set(LIST["papers"])
    assert set(LIST["papers"]) <= set(re.findall(r"^@\w+\{(\S+),", bibliography, re.M))


@pytest.mark.parametrize("row", [row for row in LIST["claims"] if "link" in row], ids=lambda row: row["id"])
def test_a_link_leads_to_a_page_of_the_book_and_a_place_on_it_or_to_a_test(row):
    if "::" in row["link"]:
        file, function = row["link"].split("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    else:
        page, anchor = row["link"].split("#")
        assert page in PAGES_BUILT
        assert anchor in anchors_of(page)


@pytest.mark.parametrize("row", [row for row in LIST["claims"] if "needs" in row], ids=lambda row: row["id"])
def test_what_a_claim_needs_ends_in_a_command_of_the_library_that_writes_rows(row):
    assert re.fullmatch(r"[^:`]+: `python -m paperlib\.[\w.]+ [^`]+ --out results/\w+\.csv`", row["needs"])
