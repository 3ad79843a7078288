"""The zip of the notebooks: whole, unchanged, and the same bytes from the same sources."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest
import yaml
from built_book import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import notebooks_zip

ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
HELD = notebooks_zip.contents(ROOT, ADDRESS)


def test_the_same_sources_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebooks_zip.write_zip(tmp_path / "one.zip", HELD)
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    notebooks_zip.write_zip(tmp_path / "two.zip", dict(HELD))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with ZipFile(tmp_path / "one.zip") as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert file.namelist() == sorted(file.namelist())


def test_the_readme_names_the_repository_and_what_its_commands_need() -> None:
    readme = HELD["README.txt"].decode()
    assert f'pip install "paperlib[notebooks] @ git+{ADDRESS}"' in readme
    assert "github.com" not in Path(notebooks_zip.__file__).read_text(encoding="utf-8")
    for named in re.findall(r"notebooks/\S+\.ipynb", readme):
        assert named in HELD
    assert (ROOT / "pyproject.toml").read_text(encoding="utf-8").count("\nnotebooks = [") == 1


def test_the_page_on_running_links_to_the_file() -> None:
    page = (ROOT / "book" / "how-to-read.md").read_text(encoding="utf-8")
    assert f'href="../_static/{notebooks_zip.NAME}.zip"' in page


def test_the_file_of_the_built_book_holds_every_notebook_unchanged(html: Path) -> None:
    with ZipFile(html / "_static" / f"{notebooks_zip.NAME}.zip") as file:
        assert file.testzip() is None
        held = {name.removeprefix(f"{notebooks_zip.NAME}/"): file.read(name) for name in file.namelist()}
    notebooks = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert held.keys() == {*notebooks, "notebooks/sizes.yml", "LICENSE", "README.txt"}
    assert held == HELD
    for name in notebooks:
        nbformat.validate(nbformat.reads(held[name].decode(), as_version=nbformat.NO_CONVERT))
