"""What the directives and handlers for the lists in ``book/*.yml`` share: reading, links, tables, parsed Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def read_list(app: Sphinx, name: str) -> dict[str, Any]:
    """One of the lists."""
    return yaml.safe_load(Path(app.srcdir, "book", name).read_text(encoding="utf-8"))


def link_to(app: Sphinx, source: str, target: str, text: str) -> nodes.reference:
    """A link from the page ``source`` to a page, or to ``page#anchor``."""
    page, mark, anchor = target.partition("#")
    address = app.builder.get_relative_uri(source, page) + mark + anchor
    return nodes.reference("", text, internal=True, refuri=address)


def table(titles: Iterable[str], widths: Iterable[int], rows: Iterable[nodes.row], classes: list[str]) -> nodes.table:
    """A table with a head."""
    columns = [nodes.colspec(colwidth=width) for width in widths]
    head = nodes.row("", *(nodes.entry("", nodes.paragraph(text=title)) for title in titles))
    group = nodes.tgroup("", *columns, nodes.thead("", head), nodes.tbody("", *rows), cols=len(columns))
    return nodes.table("", group, classes=classes)


class ListDirective(SphinxDirective):
    """A directive for a list of the book."""

    def read(self, name: str) -> dict[str, Any]:
        """A list, on which the page then depends."""
        self.env.note_dependency(str(Path(self.env.srcdir, "book", name)))
        return read_list(self.env.app, name)

    def link(self, target: str, text: str) -> nodes.reference:
        """A link to a page, or to ``page#anchor``."""
        return link_to(self.env.app, self.env.docname, target, text)

    def markdown(self, text: str, node: nodes.Element) -> nodes.Element:
        """``node`` with the parsed text inside."""
        lines = StringList(text.splitlines(), self.get_source_info()[0])
        self.state.nested_parse(lines, self.content_offset, node)
        return node
