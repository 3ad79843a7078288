"""Where the built book lies, which pages it has, and what one visit to a page brings to light."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def load_tool(name: str) -> ModuleType:
    """Import ``tools/<name>.py``, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def built_pages() -> list[str]:
    """Every page a reader can reach in the built book, or those promised by ``_toc.yml`` where it is not built."""
    if not HTML.is_dir():
        return load_tool("build_book").pages_of_toc(ROOT / "_toc.yml")
    pages = (file.relative_to(HTML).with_suffix("").as_posix() for file in HTML.rglob("*.html"))
    return sorted(page for page in pages if page != "index" and not page.startswith("_static/"))


@dataclass
class View:
    """What a page looks like at one width: by colour scheme, or once where schemes cannot differ."""

    overflow: int
    layout_shift: float
    first_paint: float  # seconds
    backgrounds: dict[str, float] = field(default_factory=dict)
    axe: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass
class Visit:
    """What a visit to a page at every width brought to light."""

    console_errors: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    outside_requests: list[str] = field(default_factory=list)
    failed_requests: list[str] = field(default_factory=list)
    formulas: int = 0
    rendered: int = 0
    math_errors: int = 0
    large_scripts: int = 0
    images_without_text: list[str] = field(default_factory=list)
    loaded: dict[str, int] = field(default_factory=dict)  # bytes by address, before compression
    views: dict[str, View] = field(default_factory=dict)


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
  [...document.querySelectorAll('mjx-script > :not(mjx-spacer)')].filter((script) => {
    if (script.parentNode.parentNode.closest('mjx-script')) return false; // one of a script may be no smaller
    const [own, outer] = [script, script.parentNode].map((node) => parseFloat(getComputedStyle(node).fontSize));
    return own > 0.9 * outer;
  }).length,
]"""
IMAGES = """() => [...document.images]
  .filter((image) => !image.alt.trim() && image.getAttribute('role') !== 'presentation')
  .map((image) => image.src)"""
LOADED = """() => Object.fromEntries(
  [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .map((entry) => [entry.name, entry.decodedBodySize]))"""
OBSERVE_SHIFTS = """window.layoutShift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
}).observe({type: 'layout-shift', buffered: true});"""
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# preload: axe would otherwise fetch style sheets itself, and miss. Target sizes are those of WCAG 2.2, which axe only
# looks at when asked to.
AXE = """async (runOnly) => {
  const options = {preload: false, resultTypes: ['violations'], rules: {'target-size': {enabled: true}}};
  if (runOnly) Object.assign(options, {runOnly, rules: {}});
  const found = await axe.run(document, options);
  return found.violations.map(({id, nodes}) => ({rule: id, nodes: nodes.slice(0, 3).map((node) => node.html)}));
}"""
ALL_RULES, COLOURS = None, ["color-contrast"]  # the latter is all that another colour scheme can change


def look(browser: Any, url: str, address: str, axe_script: str) -> Visit:
    """Open ``url`` at both widths, each in both colour schemes, and note everything that the tests ask about."""
    visit = Visit()
    for width, viewport in {"desktop": DESKTOP, "phone": PHONE}.items():
        # Transitions are off, so that a colour is measured and not its fading.
        context = browser.new_context(viewport=viewport, color_scheme="light", reduced_motion="reduce")
        try:
            visit.views[width] = look_once(context.new_page(), url, address, axe_script, visit)
        finally:
            context.close()
    return visit


def look_once(page: Any, url: str, address: str, axe_script: str, visit: Visit) -> View:
    """Open ``url`` at the width that the page has."""

    def note_request(request: Any) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            visit.outside_requests.append(request.url)

    page.on("console", lambda message: visit.console_errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.page_errors.append(str(error)))
    page.on("request", note_request)
    page.on("requestfailed", lambda request: visit.failed_requests.append(request.url))
    page.on("response", lambda reply: visit.failed_requests.append(reply.url) if reply.status >= 400 else None)
    page.add_init_script(OBSERVE_SHIFTS)

    page.goto(url, wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise")
    visit.formulas, visit.rendered, visit.math_errors, visit.large_scripts = page.evaluate(MATH)
    visit.images_without_text = page.evaluate(IMAGES)
    visit.loaded = page.evaluate(LOADED)
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
    view = View(*(page.evaluate(script) for script in (OVERFLOW, "window.layoutShift", FIRST_PAINT)))
    page.evaluate(axe_script)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme, timeout=5000)
        view.backgrounds[scheme] = page.evaluate(LUMINANCE)
        view.axe[scheme] = page.evaluate(AXE, ALL_RULES if scheme == "light" else COLOURS)
    return view
