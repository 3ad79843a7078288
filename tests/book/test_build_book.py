"""tools/build_book.py: what makes a build red, what makes it run again, and that a broken page cannot pass."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from built_book import ROOT, load_tool

build_book = load_tool("build_book")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build of two pages with nothing wrong, as Sphinx would leave it."""
    for name in ("index", "book/index", "book/one", "genindex", "search", "_modules/paperlib/metrics", "_static/piece"):
        page = tmp_path / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("")
    return tmp_path


PAGES = ["book/index", "book/one"]


def test_a_sound_build_has_no_fault(built: Path) -> None:
    assert build_book.faults_of(built, PAGES, 0, []) == []


def test_a_non_zero_exit_code_is_a_fault(built: Path) -> None:
    assert build_book.faults_of(built, PAGES, 1, []) == ["jupyter-book ended with exit code 1"]


def test_a_warning_is_a_fault_although_the_exit_code_is_zero(built: Path) -> None:
    assert build_book.faults_of(built, PAGES, 0, ["x.md:1: WARNING: y"]) == ["a warning: x.md:1: WARNING: y"]


def test_a_page_that_was_promised_and_not_built_is_a_fault(built: Path) -> None:
    assert build_book.faults_of(built, [*PAGES, "book/two"], 0, []) == ["book/two is in _toc.yml but was not built"]


def test_a_page_that_was_built_and_not_asked_for_is_a_fault(built: Path) -> None:
    faults = build_book.faults_of(built, PAGES[:1], 0, [])
    assert faults == ["book/one.html was built but is not in _toc.yml"]


def test_a_missing_index_is_a_fault(built: Path) -> None:
    (built / "index.html").unlink()
    assert build_book.faults_of(built, PAGES, 0, []) == ["there is no index.html"]


@pytest.mark.parametrize(
    ("line", "complains"),
    [
        ("/x/index.md:86: WARNING: local id not found", True),
        ("docstring of paperlib.f:3: ERROR: Unexpected indentation.", True),
        ("Warning: Validation errors in config:", True),
        ("reading sources... [ 10%] book/how-to-read", False),
        ("copying images... [ 50%] _build/jupyter_execute/warning.png", False),
    ],
)
def test_complaints_are_told_from_progress(line: str, complains: bool) -> None:
    assert bool(build_book.COMPLAINT.search(line)) is complains


def test_the_table_of_contents_is_read_without_its_comments(tmp_path: Path) -> None:
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "root: book/index\nparts:\n  - chapters:\n      - file: book/one.md\n      # - file: notebooks/two\n"
    )
    assert build_book.pages_of_toc(toc) == ["book/index", "book/one"]


def test_every_line_of_the_table_of_contents_that_waits_names_a_planned_chapter() -> None:
    planned = (ROOT / "book" / "chapters.yml").read_text(encoding="utf-8")
    waiting = [
        line.split("file:")[1].strip() for line in (ROOT / "_toc.yml").read_text().splitlines() if "# - file:" in line
    ]
    assert [page for page in waiting if page not in planned] == []


@pytest.mark.parametrize(
    ("change", "file"),
    [
        ("edited", "paperlib/a.py"),
        ("added", "paperlib/b.py"),
        ("edited", "constraints.txt"),
        ("edited", "results/a.csv"),
        ("edited", "book/claims.yml"),
    ],
)
def test_the_cache_of_executed_notebooks_depends_on_all_that_cells_read(tmp_path: Path, change: str, file: str) -> None:
    for folder in ("paperlib", "results", "book"):
        (tmp_path / folder).mkdir()
    (tmp_path / "paperlib" / "a.py").write_text("x = 1\n")
    (tmp_path / "constraints.txt").write_text("torch==2\n")
    before = build_book.content_key(tmp_path, build_book.EXECUTED)
    (tmp_path / file).write_text(change)
    assert build_book.content_key(tmp_path, build_book.EXECUTED) != before


def test_caches_and_hidden_files_do_not_count_as_content(tmp_path: Path) -> None:
    (tmp_path / "paperlib" / "__pycache__").mkdir(parents=True)
    before = build_book.content_key(tmp_path, ["paperlib"])
    (tmp_path / "paperlib" / "__pycache__" / "a.pyc").write_bytes(b"1")
    (tmp_path / "paperlib" / ".hidden").write_text("1")
    assert build_book.content_key(tmp_path, ["paperlib"]) == before


def test_the_old_book_is_replaced_whole(tmp_path: Path) -> None:
    old, new = tmp_path / "html", tmp_path / "new"
    for folder, name in ((old, "stale.html"), (new, "fresh.html")):
        folder.mkdir()
        (folder / name).write_text("")
    build_book.replace_folder(new, old)
    assert [file.name for file in old.iterdir()] == ["fresh.html"]
    assert [folder.name for folder in tmp_path.iterdir()] == ["html"]


@pytest.fixture
def mini_book(tmp_path: Path) -> Path:
    """A book of one page under this book's own configuration and with its own build script."""
    for name in ("tools/build_book.py", "_config.yml", "book/references.bib", "book/chapters.yml"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target)
    for folder in ("book/_ext", "book/_static", "book/_templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (tmp_path / "book" / "index.md").write_text("# One page\n\nSound, with a formula: $x^2$.\n")
    return tmp_path


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the book in ``folder`` with its own copy of the script."""
    command = [sys.executable, str(folder / "tools" / "build_book.py")]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_a_broken_page_turns_the_build_red_and_leaves_the_last_green_book_alone(mini_book: Path) -> None:
    page = mini_book / "book" / "index.md"
    green = build(mini_book)
    assert green.returncode == 0, green.stdout + green.stderr
    index = mini_book / "_build" / "html" / "index.html"
    assert green.stdout.rstrip().endswith(str(index))

    again = build(mini_book)
    assert again.returncode == 0
    assert "is up to date" in again.stdout

    page.write_text("# One page\n\nA link that leads [nowhere](gone.md).\n")
    red = build(mini_book)
    assert red.returncode != 0
    assert "gone.md" in red.stderr
    assert "with a formula" in (mini_book / "_build" / "html" / "book" / "index.html").read_text()
    assert not (mini_book / "_build" / ".stage").exists()


PAGE_THAT_RUNS = """---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
---

# A page that runs

```{code-cell} python
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
```
"""


@pytest.mark.slow
def test_a_change_of_prose_costs_one_page_to_read_and_leaves_the_others_whole(mini_book: Path) -> None:
    (mini_book / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n  - file: book/runs\n")
    index, html = mini_book / "book" / "index.md", mini_book / "_build" / "html"
    (mini_book / "book" / "runs.md").write_text(PAGE_THAT_RUNS)
    first = build(mini_book)
    assert first.returncode == 0, first.stdout + first.stderr

    date = index.stat().st_mtime - 1000  # the text decides, not the date
    index.write_text("# One page\n\nWith other words.\n")
    os.utime(index, (date, date))
    second = build(mini_book)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "0 added, 1 changed, 0 removed" in second.stdout
    assert "other words" in (html / "book" / "index.html").read_text()
    picture = re.search(r'src="\.\./(_images/[^"]+\.png)"', (html / "book" / "runs.html").read_text())
    assert (html / picture[1]).stat().st_size > 0

    (mini_book / "book" / "_static" / "custom.css").write_text("/* changed */")
    (html / "_images" / "social_previews" / "old.png").write_bytes(b"")
    third = build(mini_book)
    assert third.returncode == 0, third.stdout + third.stderr
    assert not (html / "_images" / "social_previews" / "old.png").exists()
    assert "2 added, 0 changed, 0 removed" in third.stdout


@pytest.mark.slow
def test_a_notebook_that_raises_turns_the_build_red_and_leaves_its_traceback(mini_book: Path) -> None:
    (mini_book / "book" / "index.md").write_text(
        "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3}\n---\n\n"
        "# One page\n\n```{code-cell} python\nraise RuntimeError('the canary')\n```\n"
    )
    red = build(mini_book)
    assert red.returncode != 0
    reports = list((mini_book / "_build" / "reports").rglob("*.log"))
    assert "the canary" in "".join(report.read_text() for report in reports)
