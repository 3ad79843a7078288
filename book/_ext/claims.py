"""Three directives for ``book/claims.yml``: its table, what the verdicts mean, and counts by paper."""

from __future__ import annotations

from collections import Counter
from typing import Any

from docutils import nodes
from lists import ListDirective, table
from sphinx.application import Sphinx

TESTS = "tests/test_claims.py"


class ClaimVerdicts(ListDirective):
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


class ClaimPapers(ListDirective):
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


class Claims(ListDirective):
    """The table: claim and place, verdict, what shows it; one group of rows a paper."""

    def run(self) -> list[nodes.Node]:
        """One table, which the style sheet turns into cards on a phone."""
        listed = self.read("claims.yml")
        chapters = [chapter for part in self.read("chapters.yml").values() for chapter in part]
        self.titles = {page: chapter["title"] for chapter in chapters for page in chapter["pages"]}
        rows = []
        for paper, title in listed["papers"].items():
            name = nodes.paragraph("", "", nodes.strong(text=title))
            name += nodes.Text(" · ")
            cited = self.markdown(f"{{cite:t}}`{paper}`", nodes.Element())[0]
            name.extend(cited.children)
            rows += [nodes.row("", nodes.entry("", name, morecols=2), ids=[f"claims-{paper}"], classes=["paper"])]
            rows += [self.row(claim) for claim in listed["claims"] if claim["paper"] == paper]
        return [table(("Claim", "Verdict", "Shown by"), (54, 21, 25), rows, ["claims", "colwidths-given"])]

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
            page = claim["link"].partition("#")[0]
            title = "proof below" if page == self.env.docname else self.title_of(page)
            shown += nodes.paragraph("", "", self.link(claim["link"], title))
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
