"""The built book, a server for it, and one headless Chromium that visits each page once for all tests."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from built_book import HTML, Visit, look

STATIC = Path(__file__).parents[2] / "book" / "_static"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def absent(what: str) -> None:
    """Skip, and say what to do; on CI, where everything must be there, fail."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book."""
    if not (HTML / "index.html").is_file():
        absent("the book is not built; run: make book")
    return HTML


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """The address of a local server of the built book."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")  # two Playwrights cannot live in one thread; another module may start its own
def browser() -> Iterator[Any]:
    """A headless Chromium, the system's own: nothing is downloaded."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed; run: make test")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        absent("there is no Chromium; run: apt-get install chromium, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe_script() -> str:
    """The source of axe-core, which the Python package carries."""
    axe = importlib.util.find_spec("axe_playwright_python")
    if axe is None:
        absent("axe-playwright-python is not installed; run: make test")
    return (Path(axe.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def visited(browser: Any, address: str, axe_script: str) -> Callable[[str], Visit]:
    """Visit a page by its name, once however many tests ask."""

    @functools.cache
    def visit(name: str) -> Visit:
        return look(browser, f"{address}/{name}.html", address, axe_script)

    return visit


# The scripts stand in the head, so that the element starts before its content has been read.
FIGURE = """<!doctype html>
<html lang="en" data-theme="{theme}">
<head><meta charset="utf-8"><title>A live figure</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{static}/plane.css"><link rel="stylesheet" href="{static}/{name}.css">{scripts}
<style>body {{ margin: 16px; font: 16px/1.5 sans-serif }}
html[data-theme=dark] body {{ background: #14181e; color: #fff }}</style></head>
<body><main><h1>A live figure</h1><{name}>Shown where scripts run.</{name}>
<p style="height: 60rem">After.</p></main></body></html>"""


@pytest.fixture
def open_figure(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a minimal page with a live figure; at the end no page may have logged an error or left the file system."""
    contexts, complaints = [], []

    def open_figure(
        name: str,
        *,
        width: int = 900,
        height: int = 1000,
        motion: str = "reduce",
        theme: str = "light",
        script: bool = True,
        touch: bool = False,
    ) -> Any:
        view = {"width": width, "height": height}
        context = browser.new_context(viewport=view, reduced_motion=motion, has_touch=touch)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith("file:") else complaints.append(r.url))
        tags = [f'<script src="{STATIC.as_uri()}/{file}.js"></script>' for file in ("plane", name) if script]
        html = FIGURE.format(name=name, theme=theme, static=STATIC.as_uri(), scripts="".join(tags))
        file = tmp_path / f"{name}-{theme}-{script}.html"
        file.write_text(html, encoding="utf-8")
        page.goto(file.as_uri())
        return page

    yield open_figure
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def functions(browser: Any) -> Callable[[str], Any]:
    """Opens an empty page that holds the pure functions of a live figure only."""

    def functions(name: str) -> Any:
        page = browser.new_page()
        for file in ("plane", name):
            page.add_script_tag(path=STATIC / f"{file}.js")
        return page

    return functions
