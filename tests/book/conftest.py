"""The built book, a server for it, and one headless Chromium that visits each page once for all tests."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def load_tool(name: str) -> ModuleType:
    """Import ``tools/<name>.py``, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def absent(what: str) -> None:
    """Skip, and say what to do; on CI, where everything must be there, fail."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


def built_pages() -> list[str]:
    """Every page a reader can reach in the built book, or those promised by ``_toc.yml`` where it is not built."""
    if not HTML.is_dir():
        return load_tool("build_book").pages_of_toc(ROOT / "_toc.yml")
    pages = (file.relative_to(HTML).with_suffix("").as_posix() for file in HTML.rglob("*.html"))
    return sorted(page for page in pages if page != "index" and not page.startswith("_static/"))


@dataclass
class Visit:
    """What one visit to a page brought to light."""

    console_errors: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    outside_requests: list[str] = field(default_factory=list)
    failed_requests: list[str] = field(default_factory=list)
    formulas: int = 0
    rendered: int = 0
    math_errors: int = 0
    images_without_text: list[str] = field(default_factory=list)
    phone_overflow: int = 0
    backgrounds: dict[str, float] = field(default_factory=dict)
    axe: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


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


@pytest.fixture(scope="session")
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


LUMINANCE = """() => {
  for (let e = document.querySelector('main') ?? document.body; e; e = e.parentElement) {
    const [r, g, b, a = 1] = getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number);
    if (a > 0) return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  }
  return 1;
}"""
MATH = """() => [
  document.querySelectorAll('.math').length,
  document.querySelectorAll('mjx-container').length,
  document.querySelectorAll('mjx-merror').length,
]"""
IMAGES = """() => [...document.images]
  .filter((image) => !image.alt.trim() && image.getAttribute('role') !== 'presentation')
  .map((image) => image.src)"""
# preload: axe would otherwise fetch style sheets itself, and miss.
AXE = """async () => (await axe.run(document, {preload: false, resultTypes: ['violations']})).violations.map((v) => ({
  rule: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))}))"""


def look(page: Any, url: str, address: str, axe_script: str) -> Visit:
    """Open ``url`` at both widths and in both colour schemes, and note everything that the tests ask about."""
    visit = Visit()

    def note_request(request: Any) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            visit.outside_requests.append(request.url)

    page.on("console", lambda message: visit.console_errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.page_errors.append(str(error)))
    page.on("request", note_request)
    page.on("requestfailed", lambda request: visit.failed_requests.append(request.url))
    page.on("response", lambda reply: visit.failed_requests.append(reply.url) if reply.status >= 400 else None)

    page.goto(url, wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise")
    visit.formulas, visit.rendered, visit.math_errors = page.evaluate(MATH)
    visit.images_without_text = page.evaluate(IMAGES)
    page.evaluate(axe_script)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme, timeout=5000)
        visit.backgrounds[scheme] = page.evaluate(LUMINANCE)
        visit.axe[scheme] = page.evaluate(AXE)
    page.set_viewport_size(PHONE)
    visit.phone_overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return visit


@pytest.fixture(scope="session")
def visited(browser: Any, address: str, axe_script: str) -> Callable[[str], Visit]:
    """Visit a page by its name, once however many tests ask."""

    @functools.cache
    def visit(name: str) -> Visit:
        # Transitions are off, so that a colour is measured and not its fading.
        context = browser.new_context(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
        try:
            return look(context.new_page(), f"{address}/{name}.html", address, axe_script)
        finally:
            context.close()

    return visit
