"""``{chapters} part1``: the chapters of a part, linked where they are written and plain text where they are not."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from lists import ListDirective
from sphinx import addnodes
from sphinx.application import Sphinx


class Chapters(ListDirective):
    """List the chapters that ``book/chapters.yml`` gives for the part named in the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """An ordered list: title (a link or not), question, state."""
        parts, part = self.read("chapters.yml"), self.arguments[0]
        if part not in parts:
            raise self.error(f"{part!r} is not a part in chapters.yml; use one of {', '.join(parts)}")
        listing = nodes.bullet_list(classes=["chapters"])
        listing += [self.item(chapter) for chapter in parts[part]]
        return [listing]

    def item(self, chapter: dict[str, Any]) -> nodes.list_item:
        """One chapter: a link to its first written page, and links named after their kind to the others."""
        written = [page for page in chapter["pages"] if page in self.env.found_docs]
        line = nodes.paragraph()
        if written:
            line += self.refer(written[0], chapter["title"])
            for page in written[1:]:
                line += nodes.Text(" · ")
                line += self.refer(page, "notebook" if page.startswith("notebooks/") else "page")
        else:
            line += nodes.strong(text=chapter["title"])
            line += nodes.Text(" ")
            line += nodes.inline(text="in preparation", classes=["soon"])
        return nodes.list_item("", line, nodes.paragraph(text=chapter["question"]))

    def refer(self, page: str, text: str) -> addnodes.pending_xref:
        """A reference to another page of the book."""
        shown = nodes.inline(text=text)
        target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}"}
        return addnodes.pending_xref("", shown, **target, refexplicit=True, refwarn=True, refdoc=self.env.docname)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("chapters", Chapters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
