"""``{executions}``: which pages ran, how long, and when, from which commit and where; from the cache's own records."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bookext import CACHE_VARIABLE, accelerator, commit_of
from docutils import nodes
from jupyter_cache import get_cache
from lists import link_to, table
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

RECORD = "executions.json"  # in the cache: for each page, what the cache itself does not keep
STARTED = datetime.now(UTC).replace(tzinfo=None)  # as the cache keeps its times


class Place(nodes.General, nodes.Element):
    """The place of the table, which can be filled when all pages have run."""


class Executions(SphinxDirective):
    """The table of all pages that ran."""

    def run(self) -> list[nodes.Node]:
        """Its place."""
        return [Place()]


def note_executions(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Write down from which commit and where each page ran that has run in this build."""
    env.executions = {}
    if cache := os.environ.get(CACHE_VARIABLE):
        record = Path(cache, RECORD)
        known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
        pages = {str(env.doc2path(page)): page for page in env.found_docs}
        here = {
            "commit": commit_of(Path(app.srcdir)),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} logical CPUs, GPU: {accelerator()}",
        }
        for ran in get_cache(cache).list_cache_records():
            if (page := pages.get(ran.uri)) is None:
                continue
            created = ran.created.replace(tzinfo=None)
            when = created.isoformat()
            if created >= STARTED:
                known[page] = {"when": when} | here
            elif known.get(page, {}).get("when") != when:
                known[page] = {"when": when, "commit": "not recorded", "machine": "not recorded"}
            env.executions[page] = known[page] | {"seconds": ran.data["execution_seconds"]}
        record.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
    return []


def in_reading_order(env: BuildEnvironment, page: str) -> Iterator[str]:
    """A page and all beneath it in the tables of contents."""
    yield page
    for child in env.toctree_includes.get(page, ()):
        yield from in_reading_order(env, child)


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the table in its place."""
    for place in list(doctree.findall(Place)):
        ran = getattr(app.env, "executions", {})
        rows = [(page, ran[page]) for page in in_reading_order(app.env, app.config.root_doc) if page in ran]
        body = []
        for page, one in rows:
            link = link_to(app, docname, page, app.env.titles[page].astext())
            when = f"{one['when'][:10]}, {one['commit']}"
            body.append(row(link, nodes.Text(f"{one['seconds']:.1f}"), nodes.Text(when)))
        total = sum(one["seconds"] for _, one in rows)
        body.append(row(nodes.strong(text=f"{len(rows)} pages"), nodes.strong(text=f"{total:.0f}"), nodes.Text("")))
        shown = table(("Page", "Seconds", "Ran (UTC), commit"), (50, 15, 35), body, [])
        machines = "; ".join(sorted({str(one["machine"]) for _, one in rows}))
        place.replace_self([shown, nodes.paragraph(text=f"Machine: {machines or 'nothing ran'}.")])


def row(*cells: nodes.Node) -> nodes.row:
    """A row of a table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_node(Place)
    app.add_directive("executions", Executions)
    app.connect("env-updated", note_executions)
    app.connect("doctree-resolved", fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
