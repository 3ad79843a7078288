"""One thread through the book: what each chapter begins and ends with, and that its links lead on and back."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PARTS = yaml.safe_load((ROOT / "book" / "chapters.yml").read_text(encoding="utf-8"))
PLANNED = [chapter for part in PARTS.values() for chapter in part]
FIRST_PAGES = [chapter["pages"][0] for chapter in PLANNED]
CHAPTERS = [page for page in FIRST_PAGES if page.startswith("book/part")]
# Openers of the parts and chapters in the order of the table of contents, and where the book leads in the end.
TOC = re.findall(r"^\s*- file: (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"), re.M)
READING = [*(page for page in TOC if page.startswith("book/part")), "book/your-own-data"]
OPENERS = [page for page in READING if re.fullmatch(r"book/part\d+", page)]

every_chapter = pytest.mark.parametrize("page", CHAPTERS)


def source(page: str) -> str:
    """What is written on a page."""
    return (ROOT / f"{page}.md").read_text(encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """The text below each heading of the second level, in order; what stands before the first has an empty name."""
    first, *rest = re.split(r"^## (.+)\n", source(page), flags=re.M)
    return {"": first, **dict(zip(rest[::2], rest[1::2], strict=True))}


def prose(text: str) -> str:
    """A text without its code."""
    return re.sub(r"^```(?:\{code-cell\}|\w).*?^```$", "", text, flags=re.M | re.S)


def links(page: str, text: str) -> list[str]:
    """The files of the repository that a text on a page links to, as paths from the root."""
    found = re.findall(r"\]\(([^)\s#]+)[^)\s]*\)", prose(text))
    return [os.path.normpath(f"{Path(page).parent}/{link}") for link in found if "://" not in link]


def test_every_chapter_of_the_plan_stands_in_the_table_of_contents_in_its_order():
    assert [page for page in READING[:-1] if page not in OPENERS] == CHAPTERS


@every_chapter
def test_the_first_screen_says_what_was_left_open_and_what_the_chapter_gives_asks_and_costs(page):
    start = sections(page)[""]
    before = re.findall(r"^\*\*Before this\.\*\* (.+\.)\n\n:::\{admonition\} At a glance$", start, re.M)
    assert len(before) == 1, "one line that begins **Before this.**, above the box At a glance"
    chapter_before = FIRST_PAGES[FIRST_PAGES.index(page) - 1]
    assert [os.path.splitext(link)[0] for link in links(page, before[0])] == [chapter_before]
    box = start[start.index("At a glance") :]
    assert re.findall(r"^- \*\*(.+?)\*\*", box, re.M) == ["You will learn", "You need", "It costs"]


@every_chapter
def test_the_question_comes_first_and_has_a_figure_that_shows_the_end(page):
    found = sections(page)
    assert list(found)[1] == "The question"
    question = found["The question"]
    assert "?" in prose(question)
    assert re.search(r"^  figure:\n    name: \S+\n    caption: ", question, re.M) or "<figure" in question


@every_chapter
def test_there_are_exercises_and_each_has_a_folded_solution_that_is_executed(page):
    text = sections(page)["Exercises"]
    labels = re.findall(r"^`{3,}\{exercise(?:-start)?\}[^\n]*\n:label: (\S+)", text, re.M)
    assert len(labels) >= 2
    solution = r"^`{3,}\{solution-start\} (\S+)\n:class: dropdown\n(.*?)\{solution-end\}"
    solved = dict(re.findall(solution, text, re.M | re.S))
    assert list(solved) == labels
    for label, answer in solved.items():
        cells = re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```", answer, re.M | re.S)
        assert any(re.search(r"\bassert |\bprint\(", cell) for cell in cells), f"no cell of {label} asserts or prints"


@every_chapter
def test_a_chapter_closes_with_five_lines_and_a_question_that_leads_to_the_next_page(page):
    found = sections(page)
    assert list(found)[-2:] == ["Summary", "Further reading"]
    summary, _, after = found["Summary"].partition("**Next question.** ")
    assert re.findall(r"^(\d+\.|-|\*) ", summary, re.M) == ["1.", "2.", "3.", "4.", "5."]
    assert re.fullmatch(r"[^?\n]+\? On to \[[^\]\n]+\]\([^)\s]+\)\.", after.strip())
    assert links(page, after) == [f"{READING[READING.index(page) + 1]}.md"]
    assert found["Further reading"].strip()


@pytest.mark.parametrize("page", [*CHAPTERS, *OPENERS])
def test_links_of_a_page_lead_to_files(page):
    assert [link for link in links(page, source(page)) if not (ROOT / link).is_file()] == []


@pytest.mark.parametrize("pages", [c["pages"] for c in PLANNED if len(c["pages"]) > 1], ids=lambda pages: pages[0])
def test_a_chapter_and_its_notebook_link_to_each_other_in_the_first_screen(pages):
    page, notebook = pages
    assert f"{notebook}.ipynb" in links(page, sections(page)[""])
    cells = json.loads((ROOT / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert f"/{page}.html)" in "".join(cells[0]["source"])


@pytest.mark.parametrize("page", OPENERS)
def test_the_opener_of_a_part_tells_the_story_so_far_and_ends_with_the_questions(page):
    text = source(page)
    story, _, questions = text.partition("\n## The questions of this part\n")
    assert "\n\n**The story so far.** " in story
    assert questions.strip() == f"```{{chapters}} {Path(page).name}\n```"
    told = links(page, story)
    parts_before = OPENERS[: OPENERS.index(page)]
    assert {f"{part}.md" for part in parts_before} <= set(told)
    if parts_before:
        assert sum(link.startswith(f"{parts_before[-1]}/") for link in told) >= 3, "link what the part before found"
    if page == OPENERS[-1]:
        assert f"{READING[-1]}.md" in told
