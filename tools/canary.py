"""Checks that must fail, so that a green run means something: `python tools/canary.py` (standard library only).

In a copy of the project: a page with a reference to nowhere must stop the book, and a notebook that stores another
output than its code prints must stop the tests. Each has a sound twin that must pass, or the failure proves nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from files import ROOT, project_files
from run_tests import ENVIRONMENT, notebook_tests

PAGE = "# A page\n\n(somewhere)=\n## A section\n\nSee {{ref}}`here <{target}>`.\n"
NOWHERE = "canary-label-that-does-not-exist"


def copy_project(target: Path) -> None:
    """Copy what git tracks or would add."""
    for path in project_files(ROOT):
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def outcome(command: list[str], folder: Path) -> tuple[int, str]:
    """Exit code and everything a command said."""
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout


def build_page(project: Path, target: str) -> tuple[int, str]:
    """Build a book of one page whose only reference goes to ``target``, with the project's own configuration."""
    (project / "book" / "canary.md").write_text(PAGE.format(target=target), encoding="utf-8")
    (project / "_toc.yml").write_text("format: jb-book\nroot: book/canary\n", encoding="utf-8")
    return outcome([sys.executable, "tools/build_book.py", "--force"], project)


def notebook_that_stores(text: str) -> str:
    """A notebook of one cell that prints 2, and stores ``text`` as what it printed."""
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "id": "canary",
        "metadata": {},
        "outputs": [{"name": "stdout", "output_type": "stream", "text": text}],
        "source": "print(1 + 1)",
    }
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return json.dumps({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def test_notebook(project: Path, text: str) -> tuple[int, str]:
    """Run the notebook tests as `make test` does, on the one notebook."""
    folder = project / "canary"
    folder.mkdir(exist_ok=True)
    (folder / "canary.ipynb").write_text(notebook_that_stores(text), encoding="utf-8")
    return outcome(notebook_tests(folder, project / "canary.xml"), project)


def main() -> None:
    """Release the canaries; exit with a message where one comes back alive."""
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        project = Path(folder)
        copy_project(project)
        for what, check, sound, broken, reason in (
            ("a notebook", test_notebook, "2\n", "3\n", "mismatch 'stdout'"),
            ("a page", build_page, "somewhere", NOWHERE, NOWHERE),
        ):
            code, said = check(project, sound)
            if code:
                sys.exit(f"{said}\ncanary: {what} that is sound was refused, so a refusal says nothing")
            code, said = check(project, broken)
            if code == 0 or reason not in said:
                sys.exit(f"{said}\ncanary: {what} that is broken was not refused for its fault (exit code {code})")
            print(f"canary: {what} that is broken was refused, its sound twin passed", flush=True)


if __name__ == "__main__":
    main()
