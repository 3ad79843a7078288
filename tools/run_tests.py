"""Every test, the cheap ones first: `python tools/run_tests.py [--force]`, behind `make test`.

1. unit tests and tests of the repository; 2. every notebook against its stored outputs, within its time;
3. the built book, in a browser where there is one. After a green run nothing is run again until something changes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

from changed import content_hash
from files import ROOT, replace_text

STAMP = ROOT / "_build" / "tests.green"
REPORT = ROOT / "_build" / "notebooks.xml"
NOTEBOOK_SECONDS = float(os.environ.get("NOTEBOOK_SECONDS", "40"))
# One torch thread a worker: two workers with two threads each fight over two cores.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def pytest(*arguments: str) -> list[str]:
    """Command that runs pytest with two workers."""
    return [sys.executable, "-m", "pytest", "-n", "2", "--benchmark-disable", *arguments]


def notebook_tests(folder: Path, report: Path) -> list[str]:
    """Command that executes every notebook of a folder and compares what it prints with what is stored."""
    nbval = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(ROOT / "nbval_sanitize.cfg")]
    # A notebook's cells share a kernel, so they go to one worker.
    return pytest(*nbval, "--dist", "loadscope", "-W", "default", f"--junitxml={report}", str(folder))


def seconds_of_notebooks(report: Path) -> dict[str, float]:
    """Seconds that each notebook took in a finished run, its kernel's start included, from pytest's JUnit report."""
    seconds: dict[str, float] = defaultdict(float)
    for case in ET.parse(report).iter("testcase"):
        name = case.get("classname", "").removesuffix(".ipynb").rsplit(".", 1)[-1]  # notebooks.NAME.ipynb
        seconds[name] += float(case.get("time", 0))
    return dict(seconds)


def over_budget(seconds: dict[str, float], budget: float = NOTEBOOK_SECONDS) -> list[str]:
    """Sentences about the notebooks that took longer than they may."""
    slow = {name: taken for name, taken in seconds.items() if taken > budget}
    return [
        f"notebooks/{name}.ipynb took {taken:.0f} s; it may take {budget:.0f} s (slow machine: NOTEBOOK_SECONDS=90)"
        for name, taken in sorted(slow.items())
    ]


def _run(title: str, command: list[str]) -> None:
    print(f"\n== {title}", flush=True)
    code = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT).returncode
    if code:
        sys.exit(f"\nmake test: '{title}' failed with exit code {code}")


def main() -> None:
    """Run what has to be run; exit with a message where something fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="run although nothing changed since the last green run")
    force = parser.parse_args().force
    before = content_hash()
    if not force and STAMP.is_file() and STAMP.read_text().strip() == before:
        print(f"nothing changed since the last green run ({before}); `make test FORCE=1` runs again")
        return
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.unlink(missing_ok=True)
    _run("library and repository", pytest("tests", "--ignore=tests/book"))
    _run("notebooks", notebook_tests(ROOT / "notebooks", REPORT))
    seconds = seconds_of_notebooks(REPORT)
    print("\n".join(f"  {name}: {taken:.1f} s" for name, taken in sorted(seconds.items())))
    if slow := over_budget(seconds):
        sys.exit("\n".join(["", *slow]))
    _run("build of the book", [sys.executable, "tools/build_book.py"])
    _run("book", pytest("--dist", "worksteal", "tests/book"))
    print(f"\nall green ({before})")
    # Only where nothing changed while the tests ran is the hash that of what was tested.
    if content_hash() == before:
        replace_text(STAMP, f"{before}\n")


if __name__ == "__main__":
    main()
