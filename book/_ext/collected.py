"""``{collected} Heading``: the section with that heading of every chapter, in reading order, from the sources."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from lists import ListDirective
from sphinx.application import Sphinx

CELL = re.compile(r"^(`{3,})\{code-cell\}.*?^\1$", re.M | re.S)
LINK = re.compile(r"\]\(([\w./-]+\.(?:md|ipynb))?(#[\w-]+)?\)")
NOWHERE = re.compile(r"Nowhere\b[^.]*\.?")


def section_of(source: str, heading: str) -> str | None:
    """The text beneath a heading of the second level, up to the next one and what labels it."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^(?:\(\S+\)=\n+)*## |\Z)", source, re.M | re.S)
    return found[1].strip() if found else None


def moved(text: str, page: str, to: str, anchor: str) -> str:
    """``text`` of ``page`` as it reads on the page ``to``: links lead on, and a cell becomes a link to its place."""
    folder = posixpath.dirname(to) or "."

    def link(found: re.Match[str]) -> str:
        file, label = found[1], found[2] or ""
        if not (file or label):
            return found[0]
        target = posixpath.join(posixpath.dirname(page), file) if file else f"{page}.md"
        return f"]({posixpath.relpath(target, folder)}{label})"

    place = f"[Computed in the chapter.]({posixpath.relpath(page, folder)}.md#{anchor})"
    return CELL.sub(place, LINK.sub(link, text))


class Collected(ListDirective):
    """Gather the section named in the argument from the chapters of ``book/chapters.yml``."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """A section a chapter; then a line for chapters that say "nowhere", and one for those without the section."""
        self.env.note_reread()  # chapters may have changed, by their text if not by their date
        sections, nowhere, without = [], [], []
        for part in self.read("chapters.yml").values():
            for chapter in part:
                for page in filter(self.env.found_docs.__contains__, chapter["pages"]):
                    file = Path(self.env.srcdir) / f"{page}.md"
                    if not file.is_file():
                        continue
                    text = section_of(file.read_text(encoding="utf-8"), self.arguments[0])
                    if text is None:
                        without.append(self.link(page, chapter["title"]))
                    elif NOWHERE.fullmatch(text):
                        nowhere.append(self.link(f"{page}#{self.anchor}", chapter["title"]))
                    else:
                        sections.append(self.section(page, chapter["title"], text))
        return sections + self.line("Nowhere", nowhere) + self.line("Without such a section", without)

    @property
    def anchor(self) -> str:
        """The anchor of the heading on the chapters' pages."""
        return nodes.make_id(self.arguments[0])

    def section(self, page: str, title: str, text: str) -> nodes.Element:
        """What a chapter says, under its title."""
        section = nodes.section(ids=[nodes.make_id(f"collected {title}")], names=[])
        section += nodes.title("", "", self.link(f"{page}#{self.anchor}", title))
        return self.markdown(moved(text, page, self.env.docname, self.anchor), section)

    def line(self, name: str, links: list[nodes.reference]) -> list[nodes.Node]:
        """``name: link, link.``, or nothing where there is no link."""
        listed = nodes.paragraph("", "", nodes.strong(text=name), nodes.Text(": "))
        for place, link in enumerate(links):
            listed += [nodes.Text(", "), link] if place else [link]
        listed += nodes.Text(".")
        return [listed] if links else []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("collected", Collected)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
