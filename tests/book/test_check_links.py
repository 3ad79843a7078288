"""tools/check_links.py: what it must find, on pages made here, and that the built book has none of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from built_book import ROOT, load_tool

check_links = load_tool("check_links")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Two pages that link to each other rightly."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<h1 id="top-of-a">A</h1><a href="sub/b.html#here">b</a><a href="#top-of-a">up</a><a href="#">top</a>'
        '<img src="sub/picture%20one.png"><a href="https://example.org/x#y">out</a>'
    )
    (tmp_path / "sub" / "b.html").write_text(
        '<a name="here"></a><p id="é">b</p><a href="../a.html#top-of-a">a</a><a href="#%C3%A9">é</a>'
    )
    (tmp_path / "sub" / "picture one.png").write_bytes(b"")
    return tmp_path


def add(site: Path, text: str) -> list[str]:
    """The faults of the site once its first page has ``text`` too."""
    page = site / "a.html"
    page.write_text(page.read_text() + text)
    return check_links.check(site)[0]


def test_a_sound_site_has_no_fault_and_its_links_are_counted(site: Path) -> None:
    faults, counts = check_links.check(site)
    assert faults == []
    assert counts == {"pages": 2, "internal links": 6, "external links": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('<a href="gone.html">x</a>', "no such file"),
        ('<script src="sub/gone.js"></script>', "no such file"),
        ('<a href="sub/b.html#nowhere">x</a>', "sub/b.html has no anchor #nowhere"),
        ('<a href="#nowhere">x</a>', "a.html has no anchor #nowhere"),
        ('<a href="/a.html">x</a>', "root of the server"),
        ('<a href="../outside.html">x</a>', "leads out of the book"),
        ('<p id="top-of-a">again</p>', "'top-of-a' stands there more than once"),
        ('<meta http-equiv="refresh" content="0; url=gone.html">', "no such file"),
    ],
)
def test_a_broken_page_is_found_out(site: Path, text: str, reason: str) -> None:
    faults = add(site, text)
    assert len(faults) == 1
    assert reason in faults[0]


def test_an_empty_folder_is_a_fault(tmp_path: Path) -> None:
    assert check_links.check(tmp_path)[0] != []


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The tool as the command line calls it."""
    command = [sys.executable, str(ROOT / "tools" / "check_links.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_exit_code_tells_sound_from_broken_from_absent(site: Path) -> None:
    assert run(str(site)).returncode == 0
    add(site, '<a href="gone.html">x</a>')
    assert run(str(site)).returncode == 1
    missing = run(str(site / "missing"))
    assert missing.returncode == 2
    assert "make book" in missing.stderr


def test_every_internal_link_of_the_book_resolves(html: Path) -> None:
    faults, counts = check_links.check(html)
    assert faults == []
    assert counts["internal links"] > 100
