"""book/_ext/executions.py: from which commit a page ran is noted when it runs, and is not guessed afterwards."""

from __future__ import annotations

import importlib
import json
import sys
from datetime import timedelta
from types import SimpleNamespace

import nbformat
import pytest
from built_book import ROOT
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn


@pytest.fixture
def executions(monkeypatch, tmp_path):
    """The extension, with an empty cache, at a commit called "now"."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "book" / "_ext"), *sys.path])
    extension = importlib.import_module("executions")
    monkeypatch.setenv("PAPERLIB_BOOK_CACHE", str(tmp_path))
    monkeypatch.setattr(extension, "commit_of", lambda folder: "now")
    return extension


def noted(extension):
    """What is noted in a build of the pages "a" and "b"."""
    env = SimpleNamespace(found_docs={"a", "b"}, doc2path=lambda page: f"/book/{page}.md")
    extension.note_executions(SimpleNamespace(srcdir="/book"), env)
    return env.executions


def run(tmp_path, page):
    """Put a page into the cache as one that has just run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"print({page!r})")])
    bundle = CacheBundleIn(notebook, f"/book/{page}.md", data={"execution_seconds": 1.5})
    get_cache(str(tmp_path)).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def test_a_page_that_ran_in_this_build_is_of_this_commit_and_stays_so_in_the_next(executions, tmp_path, monkeypatch):
    run(tmp_path, "a")
    assert noted(executions)["a"]["commit"] == "now"
    assert noted(executions)["a"]["seconds"] == 1.5
    monkeypatch.setattr(executions, "commit_of", lambda folder: "later")
    monkeypatch.setattr(executions, "STARTED", executions.STARTED + timedelta(days=1))
    assert noted(executions)["a"]["commit"] == "now"


def test_of_a_page_that_ran_before_anything_was_noted_the_commit_is_not_recorded(executions, tmp_path, monkeypatch):
    run(tmp_path, "a")
    monkeypatch.setattr(executions, "STARTED", executions.STARTED + timedelta(days=1))
    assert noted(executions)["a"]["commit"] == "not recorded"


def test_a_page_that_ran_again_unnoticed_loses_its_old_commit(executions, tmp_path, monkeypatch):
    run(tmp_path, "a")
    record = tmp_path / executions.RECORD
    record.write_text(json.dumps({"a": {"when": "2000-01-01T00:00:00", "commit": "old", "machine": "old"}}))
    monkeypatch.setattr(executions, "STARTED", executions.STARTED + timedelta(days=1))
    assert noted(executions)["a"]["commit"] == "not recorded"


def test_what_is_not_a_page_of_the_book_is_passed_over(executions, tmp_path):
    run(tmp_path, "elsewhere")
    assert noted(executions) == {}
