"""Two directives for ``book/figures.yml``: the papers' figures and tables, and how many are made here."""

from __future__ import annotations

from collections import Counter
from typing import Any

from docutils import nodes
from lists import ListDirective, table
from sphinx.application import Sphinx

CLAIMS, REPRODUCTION = "book/part1/claims", "book/reference/reproduction"
EXTENTS = {"as published": "reproduced", "in part": "reproduced-in-part", "not here": "not-tested"}  # and their frames


def extent_of(entry: dict[str, Any]) -> str:
    """How much of a figure or table is made here."""
    return entry.get("extent", "not here")


class FigureCounts(ListDirective):
    """How many entries are made as published, in part, and not here."""

    def run(self) -> list[nodes.Node]:
        """One sentence."""
        entries = self.read("figures.yml")["figures"]
        counts = Counter(map(extent_of, entries))
        parts = ", ".join(f"{counts[extent]} {extent}" for extent in EXTENTS)
        return [nodes.paragraph(text=f"{len(entries)} entries: {parts}.")]


class FigureMap(ListDirective):
    """The table: figure or table, how much of it is made here, and where; one group of rows a paper."""

    def run(self) -> list[nodes.Node]:
        """One table, which the style sheet turns into cards on a phone."""
        listed, claims = self.read("figures.yml"), self.read("claims.yml")
        self.verdicts = {claim["id"]: claim["verdict"] for claim in claims["claims"]}
        chapters = [chapter for part in self.read("chapters.yml").values() for chapter in part]
        self.chapters = {page: chapter for chapter in chapters for page in chapter["pages"]}
        rows = []
        for paper, known in listed["papers"].items():
            title = claims["papers"].get(paper, "SCAN, where two of the experiments start")
            about = self.markdown(f"**{title}** · {{cite:t}}`{paper}`", nodes.entry(morecols=2))
            about += self.markdown(known, nodes.container(classes=["note"]))
            rows += [nodes.row("", about, ids=[f"figures-{paper}"], classes=["paper"])]
            rows += [self.row(entry) for entry in listed["figures"] if entry["paper"] == paper]
        titles = ("Figure or table", "Made here", "Where, or why not")
        return [table(titles, (50, 16, 34), rows, ["claims", "colwidths-given"])]

    def row(self, entry: dict[str, Any]) -> nodes.row:
        """One figure or table."""
        text = self.markdown(entry["about"], nodes.entry())
        text += self.markdown(f"*{entry['place']}.*", nodes.container(classes=["place"]))
        if "note" in entry:
            text += self.markdown(entry["note"], nodes.container(classes=["note"]))
        extent = extent_of(entry)
        frame = nodes.inline(text=extent, classes=["verdict", EXTENTS[extent]])
        return nodes.row("", text, nodes.entry("", nodes.paragraph("", "", frame)), self.where(entry))

    def where(self, entry: dict[str, Any]) -> nodes.entry:
        """The reason why nothing makes it; links to what makes it or is nearest, to protocols and to verdicts."""
        found, protocols, verdicts = nodes.entry(), [], []
        if "why" in entry:
            self.markdown(entry["why"], found)
        for target in entry.get("shown", entry.get("instead", [])):
            found += self.place(target, "nearest: " if "why" in entry else "")
        for name in entry.get("tables", []):
            label = nodes.make_id(f"reproduction-{entry['paper']}-{name}")
            protocols.append(self.link(f"{REPRODUCTION}#{label}", name))
        for claim in entry.get("claims", []):
            if claim not in self.verdicts:
                raise self.error(f"{claim!r} is in figures.yml but not in claims.yml; correct it or add it there")
            verdicts.append(self.link(f"{CLAIMS}#claim-{claim.replace('_', '-')}", self.verdicts[claim]))
        found += self.line("protocol", protocols) + self.line("verdict", verdicts)
        return found

    def line(self, name: str, links: list[nodes.reference]) -> list[nodes.Node]:
        """``name: link, link``, or nothing where there is no link."""
        parts = [part for link in links for part in (nodes.Text(", "), link)][1:]
        return [nodes.paragraph("", "", nodes.Text(f"{name}: "), *parts)] if parts else []

    def place(self, target: str, said: str) -> nodes.paragraph:
        """A link to a place of a page, and one to the notebook of its chapter."""
        page, label = target.split("#")
        if page == REPRODUCTION:
            return nodes.paragraph("", said, self.link(target, "Reported and reproduced"))
        if page not in self.chapters:
            raise self.error(f"{page!r} is in figures.yml but in no chapter of chapters.yml; add it there")
        chapter = self.chapters[page]
        kind = "figure" if label.startswith("fig-") else "section"
        line = nodes.paragraph("", said, self.link(target, f"{chapter['title']}, {kind}"))
        for other in chapter["pages"]:
            if other.startswith("notebooks/") and other in self.env.found_docs:
                line += [nodes.Text(" · "), self.link(other, "notebook")]
        return line


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("figure-counts", FigureCounts)
    app.add_directive("figure-map", FigureMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
