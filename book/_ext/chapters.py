"""``{chapters} part1``: the chapters of a part, linked where they are written and plain text where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Chapters(SphinxDirective):
    """List the chapters that ``book/chapters.yml`` gives for the part named in the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """An ordered list: title (a link or not), question, state."""
        plan = Path(self.env.srcdir) / "book" / "chapters.yml"
        self.env.note_dependency(str(plan))
        parts: dict[str, list[dict[str, Any]]] = yaml.safe_load(plan.read_text(encoding="utf-8"))
        part = self.arguments[0]
        if part not in parts:
            raise self.error(f"{part!r} is not a part in {plan.name}; use one of {', '.join(parts)}")
        listing = nodes.bullet_list(classes=["chapters"])
        listing += [self.item(chapter) for chapter in parts[part]]
        return [listing]

    def item(self, chapter: dict[str, Any]) -> nodes.list_item:
        """One chapter: a link to its first written page, and links named after their kind to the others."""
        written = [page for page in chapter["pages"] if page in self.env.found_docs]
        line = nodes.paragraph()
        if written:
            line += self.link(written[0], chapter["title"])
            for page in written[1:]:
                line += nodes.Text(" · ")
                line += self.link(page, "notebook" if page.startswith("notebooks/") else "page")
        else:
            line += nodes.strong(text=chapter["title"])
            line += nodes.Text(" ")
            line += nodes.inline(text="in preparation", classes=["soon"])
        return nodes.list_item("", line, nodes.paragraph(text=chapter["question"]))

    def link(self, page: str, text: str) -> addnodes.pending_xref:
        """A reference to another page of the book."""
        shown = nodes.inline(text=text)
        target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}"}
        return addnodes.pending_xref("", shown, **target, refexplicit=True, refwarn=True, refdoc=self.env.docname)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("chapters", Chapters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
