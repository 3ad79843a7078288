"""Build the book so that a green answer can be trusted: `python tools/build_book.py`.

Jupyter Book alone lets four things pass: notebook outputs older than the library, pages left by an earlier build,
pages outside the table of contents, and a zero exit code after a warning on some paths. So: the cache of executed
notebooks is keyed by the library, its locked dependencies, the rows in `results/` and the claims; every page is
written into an empty folder; the result is checked here again; and only a checked result replaces `_build/html`.

What Sphinx has read is kept from one green build to the next as long as nothing but the text of pages differs, and
is dropped for every page whose text does (by its hash, not its date). So a change of prose costs one page to read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

ROOT = Path(__file__).resolve().parent.parent
EXECUTED = ("paperlib", "constraints.txt", "results", "book/claims.yml")  # what outputs depend on, beside their cells
INPUTS = (*EXECUTED, "book", "notebooks", "_config.yml", "_toc.yml", "pyproject.toml", "LICENSE", "tools/build_book.py")
CACHE_VARIABLE = "PAPERLIB_BOOK_CACHE"  # read by book/_ext/bookext.py
CACHES_KEPT = 3
KINDS = (".md", ".ipynb")
READING = "read.json"
CARDS = Path("_images", "social_previews")
# What Sphinx itself adds beside the pages of the table of contents.
GENERATED = re.compile(r"(index|genindex|search|py-modindex|prf-prf|_modules/.*|_static/.*)\.html")
COMPLAINT = re.compile(r"\b(WARNING|ERROR|CRITICAL|SEVERE)\b:|Validation errors in config")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def files_under(path: Path) -> Iterator[Path]:
    """Every file below ``path`` (or ``path`` itself), sorted, without caches and hidden files."""
    if path.is_file():
        yield path
    for child in sorted(path.iterdir()) if path.is_dir() else ():
        if not child.name.startswith(".") and child.name not in ("__pycache__", "_build"):
            yield from files_under(child)


def content_key(root: Path, names: Iterable[str], *, leave_out: Container[str] = ()) -> str:
    """A hash of the content of the named files and folders, and of the Python that runs them."""
    digest = hashlib.sha256(sys.version.encode())
    for name in names:
        for file in files_under(root / name):
            relative = file.relative_to(root).as_posix()
            if relative not in leave_out:
                digest.update(relative.encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def pages_of_toc(toc: Path) -> list[str]:
    """The pages that ``_toc.yml`` names, in order: its `root:` and `file:` entries, comments left out."""
    entry = re.compile(r"^\s*(?:-\s+)?(?:root|file):\s*[\"']?([^\s\"'#]+)")
    found = (entry.match(line) for line in toc.read_text(encoding="utf-8").splitlines())
    return [re.sub(r"\.(md|ipynb|rst)$", "", match[1]) for match in found if match]


def what_was_read(root: Path, pages: list[str]) -> dict[str, str]:
    """A hash of each page's text by the page's name, and of all the rest, its place included, by the empty name."""
    files = {page: f"{page}{kind}" for page in pages for kind in KINDS if (root / f"{page}{kind}").is_file()}
    hashes = {page: content_key(root, [file]) for page, file in files.items()}
    return {"": content_key(root, INPUTS, leave_out=set(files.values())) + str(root), **hashes}


def prepare_stage(stage: Path, reading: dict[str, str], cards: Path) -> None:
    """Leave in ``stage`` what the last green build has read, but for the pages whose text is another now."""
    record = stage / READING
    try:
        before = json.loads(record.read_text())
    except (OSError, ValueError):
        before = {}
    same = before.get("") == reading[""]
    if not same:
        shutil.rmtree(stage, ignore_errors=True)
    record.unlink(missing_ok=True)  # written again when this build is green
    shutil.rmtree(stage / "_build" / "html", ignore_errors=True)
    if same and cards.is_dir():  # pictures for social media, named after a hash of what they say
        shutil.copytree(cards, stage / "_build" / "html" / CARDS)
    for page in before.keys() & reading.keys():
        if before[page] != reading[page]:
            (stage / "_build" / ".doctrees" / f"{page}.doctree").unlink(missing_ok=True)


def run_jupyter_book(root: Path, stage: Path, cache: Path, log: Path) -> tuple[int, list[str]]:
    """Run the builder into ``stage``, showing and logging what it says; its exit code and its complaints."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(root)]
    command += ["--path-output", str(stage), "--builder", "html", "-W", "-n", "--keep-going"]
    environment = os.environ | {CACHE_VARIABLE: str(cache), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # pages run side by side, one on a core
    complaints, shown = [], True
    with (
        log.open("w", encoding="utf-8") as record,
        subprocess.Popen(
            command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        for line in process.stdout or ():
            plain = COLOUR.sub("", line)
            record.write(plain)
            shown = shown and not plain.startswith("=====")  # its closing box names the folder that is about to move
            if shown:
                print(plain, end="", flush=True)
            if COMPLAINT.search(plain):
                complaints.append(plain.strip())
    return process.returncode, complaints


def faults_of(html: Path, pages: list[str], exit_code: int, complaints: list[str]) -> list[str]:
    """What is wrong with a finished build, in sentences; empty when it is green."""
    faults = [] if exit_code == 0 else [f"jupyter-book ended with exit code {exit_code}"]
    faults += [f"a warning: {line}" for line in complaints]
    wanted = {f"{page}.html" for page in pages}
    built = {file.relative_to(html).as_posix() for file in html.rglob("*.html")} if html.is_dir() else set()
    faults += [f"{page.removesuffix('.html')} is in _toc.yml but was not built" for page in sorted(wanted - built)]
    strays = (page for page in built - wanted if not GENERATED.fullmatch(page))
    faults += [f"{page} was built but is not in _toc.yml" for page in sorted(strays)]
    if "index.html" not in built:
        faults.append("there is no index.html")
    return faults


def replace_folder(new: Path, old: Path) -> None:
    """Put ``new`` where ``old`` is; ``old`` is gone only after ``new`` is whole and in its place."""
    retired = old.with_name(f".{old.name}.retired")
    shutil.rmtree(retired, ignore_errors=True)
    if old.exists():
        old.rename(retired)
    new.rename(old)
    shutil.rmtree(retired, ignore_errors=True)


def keep_newest(folder: Path, count: int) -> None:
    """Drop all but the ``count`` most recently used sub-folders."""
    for stale in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[count:]:
        shutil.rmtree(stale, ignore_errors=True)


def announce(html: Path, what: str, started: float) -> None:
    """Say what happened, how long it took, and how to read the result."""
    print(f"\nThe book {what} ({time.monotonic() - started:.0f} s).")
    print("Search needs a server: python3 -m http.server --directory _build/html")
    print("All else works from the file itself; open this in a browser:")
    print(html / "index.html")


def build(root: Path, *, force: bool) -> int:
    """Build when something changed; zero when `_build/html` holds a book that passed every check."""
    started = time.monotonic()
    output = root / "_build"
    html, stamp, log, stage = output / "html", output / "book.key", output / "book.log", output / ".stage"
    output.mkdir(exist_ok=True)
    lock = FileLock(output / ".book.lock")  # a second build waits, and then finds its work done
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        print("Another build is running here; waiting for its end.", flush=True)
        held = lock.acquire()
    with held:
        key = content_key(root, INPUTS)
        if not force and (html / "index.html").is_file() and stamp.is_file() and stamp.read_text().strip() == key:
            announce(html, "is up to date", started)
            return 0

        cache = output / "executed" / content_key(root, EXECUTED)
        cache.mkdir(parents=True, exist_ok=True)
        os.utime(cache)
        keep_newest(cache.parent, CACHES_KEPT)
        pages = pages_of_toc(root / "_toc.yml")
        reading = what_was_read(root, pages)
        if force:
            shutil.rmtree(stage, ignore_errors=True)
        prepare_stage(stage, reading, html / CARDS)
        exit_code, complaints = run_jupyter_book(root, stage, cache, log)
        built = stage / "_build" / "html"
        faults = faults_of(built, pages, exit_code, complaints)
        if content_key(root, EXECUTED) != cache.name:  # what ran meanwhile is filed under the wrong name
            shutil.rmtree(cache, ignore_errors=True)
        if content_key(root, INPUTS) != key:
            faults.append("a source changed while the book was built; build again")
        if faults:
            if (built / "reports").is_dir():
                shutil.rmtree(output / "reports", ignore_errors=True)
                shutil.copytree(built / "reports", output / "reports")
            shutil.rmtree(stage, ignore_errors=True)
            print("\nThe book is NOT built:", *faults, sep="\n  - ", file=sys.stderr)
            print(f"  The whole log: {log}; tracebacks of notebooks: {output / 'reports'}", file=sys.stderr)
            return 1
        stamp.unlink(missing_ok=True)
        replace_folder(built, html)
        (stage / READING).write_text(json.dumps(reading))
        stamp.write_text(key + "\n")
    announce(html, "is built", started)
    return 0


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="build although nothing has changed")
    return build(ROOT, force=parser.parse_args().force)


if __name__ == "__main__":
    sys.exit(main())
