"""book/_ext/collected.py: on a book of four chapters made here, and on the chapters of this one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from built_book import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import collected

HEADING = "Where code and paper differ"
CHAPTERS = {
    "part1/first": f"# First\n\n## {HEADING}\n\nSee [another](../part2/second.md#here), [below](#below), $x[1](y)$.\n\n"
    "```{code-cell} ipython3\nprint(1)\n```\n\nAfter the cell.\n\n(a-place)=\n## Below\n\nNot this.\n",
    "part2/second": f"# Second\n\n## Here\n\nText.\n\n## {HEADING}\n\nNowhere that we know of.\n\n## End\n",
    "part2/third": f"# Third\n\n## {HEADING}\n\n- Last section, with `code` and [a page](second.md).\n",
    "part2/fourth": "# Fourth\n\nNo such section.\n",
}


def build(folder: Path) -> str:
    """Build with warnings as errors; the page that collects."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(folder), str(folder / "_build")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return (folder / "_build" / "book" / "reference" / "page.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A book of four chapters."""
    folder = tmp_path_factory.mktemp("collected")
    (folder / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"
        "from docutils.parsers.rst import Directive\n"
        "class Cell(Directive): has_content, optional_arguments, run = True, 1, lambda self: []\n"
        "def setup(app): app.add_directive('code-cell', Cell)\n"
        "extensions = ['myst_parser', 'collected']\nmyst_enable_extensions = ['dollarmath']\n"
        "myst_heading_anchors = 3\nexclude_patterns = ['_build']\n"
    )
    titles = {page: {"title": page.split("/")[1].title(), "pages": [f"book/{page}"]} for page in CHAPTERS}
    plan = {"part1": [titles["part1/first"]], "part2": [titles[page] for page in CHAPTERS if "part2" in page]}
    pages = "\n".join(f"book/{page}" for page in (*CHAPTERS, "reference/page"))
    (folder / "index.md").write_text(f"# Book\n\n```{{toctree}}\n{pages}\n```\n")
    texts = CHAPTERS | {"reference/page": f"# Page\n\n```{{collected}} {HEADING}\n```\n"}
    for page, text in texts.items():
        file = folder / "book" / f"{page}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "book" / "chapters.yml").write_text(yaml.safe_dump(plan))
    return folder


def test_sections_stand_in_reading_order_under_the_chapters_titles_and_follow_a_change(folder):
    page = build(folder)
    assert re.findall(r'<h2><a class="reference internal" href="([^"]+)">(\w+)</a>', page) == [
        ("../part1/first.html#where-code-and-paper-differ", "First"),
        ("../part2/third.html#where-code-and-paper-differ", "Third"),
    ]
    assert 'href="../part2/second.html#here"' in page
    assert 'href="../part1/first.html#below"' in page
    assert 'href="../part2/second.html"' in page
    assert "x[1](y)" in page
    assert "Not this." not in page
    assert "print" not in page
    assert page.index("Computed in the chapter.") < page.index("After the cell.")
    lines = re.sub(r"<[^>]+>", "", page)
    assert "Nowhere: Second." in lines
    assert "Without such a section: Fourth." in lines
    chapter = folder / "book" / "part2" / "fourth.md"
    chapter.write_text(f"{chapter.read_text()}\n## {HEADING}\n\nA new difference.\n")
    assert "A new difference." in build(folder)


def sections() -> dict[str, str]:
    """The section of each chapter of this book that has it."""
    plan = yaml.safe_load((ROOT / "book" / "chapters.yml").read_text(encoding="utf-8"))
    pages = [page for part in plan.values() for chapter in part for page in chapter["pages"]]
    files = {page: ROOT / f"{page}.md" for page in pages if (ROOT / f"{page}.md").is_file()}
    found = {page: collected.section_of(file.read_text(encoding="utf-8"), HEADING) for page, file in files.items()}
    return {page: text for page, text in found.items() if text is not None}


def test_chapters_that_speak_of_code_and_paper_in_a_heading_are_collected():
    spoken = {
        file.relative_to(ROOT).with_suffix("").as_posix()
        for file in (ROOT / "book").glob("*/*.md")
        if re.search(r"^#+ .*\bcode and paper\b.*differ", file.read_text(encoding="utf-8"), re.M | re.I)
    } - {"book/reference/code-and-paper"}
    assert spoken == set(sections())
    assert len(spoken) >= 15


@pytest.mark.parametrize("page", sections())
def test_a_section_can_stand_on_another_page(page):
    text = collected.CELL.sub("", sections()[page])
    assert text
    assert not re.search(r"^#|^\(\S+\)=|^\[\^|^:?(?:label|name):|^\$\$ \(", text, re.M), "headings, labels, footnotes"
    moved = collected.moved(sections()[page], page, "book/reference/code-and-paper", "anchor")
    for target in re.findall(r"\]\(([^)#\s]+\.(?:md|ipynb))", moved):
        assert (ROOT / "book" / "reference" / target).is_file()
