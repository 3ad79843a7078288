"""Three directives for ``book/claims.yml``: its table, what the verdicts mean, and counts by paper."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

TESTS = "tests/test_claims.py"


class ClaimsDirective(SphinxDirective):
    """What the three directives share: the list, and Markdown inside a node."""

    def read(self, name: str) -> dict[str, Any]:
        """A list of the book, on which the page then depends."""
        path = Path(self.env.srcdir) / "book" / name
        self.env.note_dependency(str(path))
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    def markdown(self, text: str, node: nodes.Element) -> nodes.Element:
        """``node`` with the parsed text inside."""
        self.state.nested_parse(StringList([text], self.get_source_info()[0]), self.content_offset, node)
        return node


class ClaimVerdicts(ClaimsDirective):
    """Each verdict: its meaning, and how many claims have it."""

    def run(self) -> list[nodes.Node]:
        """A definition list."""
        listed = self.read("claims.yml")
        counts = Counter(claim["verdict"] for claim in listed["claims"])
        verdicts = nodes.definition_list(classes=["verdicts"])
        for verdict, meaning in listed["verdicts"].items():
            term = nodes.term("", "", badge(verdict), nodes.Text(f" {counts[verdict]}"))
            verdicts += nodes.definition_list_item("", term, self.markdown(meaning, nodes.definition()))
        return [verdicts]


class ClaimPapers(ClaimsDirective):
    """Each paper: how many of its claims have which verdict, and a link to its rows."""

    def run(self) -> list[nodes.Node]:
        """A bullet list."""
        listed = self.read("claims.yml")
        papers = nodes.bullet_list()
        for paper, title in listed["papers"].items():
            verdicts = Counter(claim["verdict"] for claim in listed["claims"] if claim["paper"] == paper)
            counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in listed["verdicts"] if verdicts[verdict])
            line = nodes.paragraph("", "", nodes.reference("", title, internal=True, refid=f"claims-{paper}"))
            line += nodes.Text(f": {verdicts.total()} claims; {counts}.")
            papers += nodes.list_item("", line)
        return [papers]


class Claims(ClaimsDirective):
    """The table: claim and place, verdict, what shows it; one group of rows a paper."""

    def run(self) -> list[nodes.Node]:
        """One table, which the style sheet turns into cards on a phone."""
        listed = self.read("claims.yml")
        chapters = [chapter for part in self.read("chapters.yml").values() for chapter in part]
        self.titles = {page: chapter["title"] for chapter in chapters for page in chapter["pages"]}
        body = nodes.tbody()
        for paper, title in listed["papers"].items():
            name = nodes.paragraph("", "", nodes.strong(text=title))
            name += nodes.Text(" · ")
            cited = self.markdown(f"{{cite:t}}`{paper}`", nodes.Element())[0]
            name.extend(cited.children)
            body += nodes.row("", nodes.entry("", name, morecols=2), ids=[f"claims-{paper}"], classes=["paper"])
            body += [self.row(claim) for claim in listed["claims"] if claim["paper"] == paper]
        head = nodes.row(
            "", *(nodes.entry("", nodes.paragraph(text=text)) for text in ("Claim", "Verdict", "Shown by"))
        )
        group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in (54, 21, 25)), cols=3)
        group += [nodes.thead("", head), body]
        return [nodes.table("", group, classes=["claims", "colwidths-given"])]

    def row(self, claim: dict[str, str]) -> nodes.row:
        """One claim."""
        text = self.markdown(claim["claim"], nodes.entry())
        text += self.markdown(f"*{claim['place'][0].upper()}{claim['place'][1:]}.*", nodes.container(classes=["place"]))
        if "note" in claim:
            text += self.markdown(claim["note"], nodes.container(classes=["note"]))
        verdict = nodes.entry("", nodes.paragraph("", "", badge(claim["verdict"])))
        return nodes.row("", text, verdict, self.evidence(claim), ids=[f"claim-{claim['id'].replace('_', '-')}"])

    def evidence(self, claim: dict[str, str]) -> nodes.entry:
        """Links to the page and the tests; or what is needed and not there."""
        shown, tests = nodes.entry(), [f"{TESTS}::test_{claim['id']}"]
        if "needs" in claim:
            shown += self.markdown(f"needs {claim['needs']}", nodes.container(classes=["needs"]))
        elif "::" in claim["link"]:
            tests.append(claim["link"])
        else:
            page, anchor = claim["link"].split("#")
            title = "proof below" if page == self.env.docname else self.title_of(page)
            address = f"{self.env.app.builder.get_relative_uri(self.env.docname, page)}#{anchor}"
            shown += nodes.paragraph("", "", nodes.reference("", title, internal=True, refuri=address))
        shown += [nodes.paragraph("", "", self.test(test)) for test in dict.fromkeys(tests)]
        return shown

    def title_of(self, page: str) -> str:
        """The title of the chapter that a page belongs to."""
        if page not in self.titles:
            raise self.error(f"{page!r} is in claims.yml but in no chapter of chapters.yml; add it there")
        return self.titles[page]

    def test(self, name: str) -> nodes.reference:
        """A link to the file of a test, by the name of the test."""
        file, function = name.split("::")
        site = self.config.html_theme_options["repository_url"].rstrip("/")
        branch = self.config.html_theme_options.get("repository_branch", "main")
        link = nodes.reference("", "", refuri=f"{site}/blob/{branch}/{file}", classes=["test"])
        for word in function.split("_"):  # a name may break after an underscore
            link += [nodes.Text("_"), nodes.raw("", "<wbr>", format="html")] if len(link) else []
            link += nodes.Text(word)
        return link


def badge(verdict: str) -> nodes.inline:
    """A verdict in a frame."""
    return nodes.inline(text=verdict, classes=["verdict", nodes.make_id(verdict)])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("claim-verdicts", ClaimVerdicts)
    app.add_directive("claim-papers", ClaimPapers)
    app.add_directive("claims", Claims)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
