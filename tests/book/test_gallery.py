"""book/gallery.yml and book/_ext/gallery.py: every chapter has a card, every card a picture, and the page is light."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from built_book import ROOT
from docutils.nodes import make_id
from PIL import Image

BOOK = ROOT / "book"
CHOSEN = yaml.safe_load((BOOK / "gallery.yml").read_text(encoding="utf-8"))
PARTS = yaml.safe_load((BOOK / "chapters.yml").read_text(encoding="utf-8"))
CHAPTERS = [chapter for part in PARTS.values() for chapter in part]
DRAWINGS = sorted((BOOK / "_static" / "gallery").glob("*.svg"))
CARDS = [(page, name) for page, cards in CHOSEN.items() for name in cards]


def figures_of(page: str) -> set[str]:
    """What a card may name on a page: figures, live figures and headings."""
    notebook = ROOT / f"{page}.ipynb"
    if notebook.is_file():
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return {cell["metadata"].get("mystnb", {}).get("figure", {}).get("name") for cell in cells} - {None}
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    headings = map(make_id, re.findall(r"^#+ (.+)", text, re.M))
    return {*re.findall(r"^ +name: (fig-\S+)$", text, re.M), *re.findall(r"<(\w+-[\w-]+) ", text), *headings}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter["title"])
def test_every_page_of_a_chapter_has_a_card(chapter: dict) -> None:
    written = [page for page in chapter["pages"] if any((ROOT / f"{page}{end}").is_file() for end in (".md", ".ipynb"))]
    assert [page for page in written if not CHOSEN.get(page)] == []


def test_every_card_belongs_to_a_chapter() -> None:
    assert set(CHOSEN) <= {page for chapter in CHAPTERS for page in chapter["pages"]}


@pytest.mark.parametrize(("page", "name"), CARDS)
def test_what_a_card_names_stands_on_its_page(page: str, name: str) -> None:
    assert name in figures_of(page)
    assert name.startswith("fig-") or (BOOK / "_static" / "gallery" / f"{name}.svg").is_file()


def test_every_line_is_one_sentence_and_short() -> None:
    for cards in CHOSEN.values():
        for line in cards.values():
            assert re.fullmatch(r"[A-Z][^\n]{10,110}[.?]", line), line


def test_every_live_figure_of_the_book_has_a_card() -> None:
    live = {file.stem for file in (BOOK / "_static").glob("*.js")} - {"plane"}
    assert live <= {name for _, name in CARDS}


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.stem)
def test_a_drawing_is_used_says_what_it_shows_and_has_a_size(drawing: Path) -> None:
    picture = ElementTree.parse(drawing).getroot()
    assert drawing.stem in {name for _, name in CARDS}
    assert len(picture.findtext("{http://www.w3.org/2000/svg}title")) > 30
    assert picture.get("viewBox") == f"0 0 {picture.get('width')} {picture.get('height')}"


class Cards(HTMLParser):
    """The links and pictures of the gallery of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.folder, self.links, self.pictures, self.inside = page.parent, [], [], False
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list) -> None:
        """Note what lies in the list of cards."""
        given = dict(attributes)
        self.inside |= tag == "ul" and given.get("class") == "gallery"
        if self.inside and tag == "a":
            self.links.append(given["href"])
        if self.inside and tag == "img":
            self.pictures.append(given)

    def handle_endtag(self, tag: str) -> None:
        """Leave the list."""
        self.inside &= tag != "ul"


PAGE = """\
One
===

.. figure:: wide.png
   :name: fig-wide
   :alt: A <wide> picture

   What it shows.

.. raw:: html

   <moving-thing></moving-thing>
"""


def build(folder: Path, chosen: dict) -> tuple[Cards, str]:
    """A small book with a gallery of ``chosen``: its cards, and what Sphinx complained about."""
    (folder / "book" / "_static" / "gallery").mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", (900, 300), (0, 0, 255, 0)).save(folder / "book" / "wide.png")
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="36" height="20"><title>It moves</title></svg>'
    (folder / "book" / "_static" / "gallery" / "moving-thing.svg").write_text(drawing)
    (folder / "book" / "chapters.yml").write_text("part1: [{title: The first, pages: [book/one, book/lost]}]")
    (folder / "book" / "gallery.yml").write_text(yaml.safe_dump(chosen))
    (folder / "book" / "one.rst").write_text(PAGE)
    (folder / "index.rst").write_text("Top\n===\n\n.. toctree::\n\n   book/one\n\n.. gallery:: part1\n")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-C",
        "-b",
        "html",
        "-D",
        "extensions=gallery",
        folder,
        folder / "out",
    ]
    python_path = os.pathsep.join([str(BOOK / "_ext"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": python_path, "NO_COLOR": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return Cards(folder / "out" / "index.html"), done.stderr


def test_a_card_has_a_small_picture_of_the_built_figure_on_white_and_leads_to_it(tmp_path: Path) -> None:
    cards, complaints = build(tmp_path, {"book/one": {"fig-wide": "Wide.", "moving-thing": "Moving."}})
    assert complaints == ""
    assert cards.links == ["book/one.html#fig-wide", "book/one.html#moving-thing"]
    shrunk, drawn = cards.pictures
    assert shrunk["alt"] == "A <wide> picture"
    assert (shrunk["width"], shrunk["height"], shrunk["loading"]) == ("360", "120", "lazy")
    with Image.open(cards.folder / shrunk["src"]) as picture:
        assert picture.size == (360, 120)
        assert picture.getpixel((5, 5)) == (255, 255, 255)
    assert (drawn["alt"], drawn["width"], drawn["height"]) == ("It moves", "36", "20")
    assert 'id="moving-thing"' in (cards.folder / "book" / "one.html").read_text()


def test_a_figure_or_a_page_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    cards, complaints = build(tmp_path, {"book/one": {"fig-gone": "Gone."}, "book/lost": {"fig-wide": "Wide."}})
    assert cards.links == []
    assert "WARNING: gallery.yml names the figure fig-gone, which is not on book/one" in complaints
    assert "WARNING: gallery.yml names the page book/lost, which is not built" in complaints


def test_the_built_gallery_has_every_card_and_is_under_a_megabyte(html: Path) -> None:
    page = html / "book" / "gallery.html"
    cards = Cards(page)
    assert len(cards.links) == len(cards.pictures) == len(CARDS)
    files = [page, *(page.parent / picture["src"] for picture in cards.pictures)]
    assert sum(file.stat().st_size for file in files) < 1_000_000
    for picture in cards.pictures:
        assert len(picture["alt"]) > 30
        if picture["src"].endswith(".webp"):
            with Image.open(page.parent / picture["src"]) as image:
                assert image.size == (int(picture["width"]), int(picture["height"]))
