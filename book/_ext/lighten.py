"""Makes pages light and keeps their layout still.

The theme puts on every page a script that draws all icons of Font Awesome (1.5 MB), beside fonts that show the same
icons without it, and the search index, which only the search page reads; Sphinx puts MathJax on pages that only lead to
formulas. These go, and the fonts of icons keep the icons that some page has. A text font that arrives after the first
paint moves every line: so it is asked for at once.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from io import BytesIO
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

UNUSED = re.compile(
    r'\s*<script[^>]*scripts/fontawesome\.js[^>]*></script>|<script type="text/x-thebe-config">.*?</script>', re.S
)
FOR_SEARCH = re.compile(r"\s*<script[^>]*(?:searchtools|language_data|searchindex)\.js[^>]*></script>")
FOR_MATH = re.compile(r"\s*<script>window\.MathJax = .*?</script>|\s*<script[^>]*vendor/mathjax[^>]*></script>", re.S)
CARD = re.compile(r"/social_previews/([^\"/]+)\"")
ICON = re.compile(r"\bfa-[a-z0-9-]+")
ICON_RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:{1,2}before,?)+)\{content:"\\([0-9a-f]+) ?"\}')
ICON_VARIABLE = re.compile(r'--pst-icon-[\w-]+:\s*"(.)"')
ICON_FONT = re.compile(r'url\(([^)]+)\.woff2\) format\("woff2"\),url\([^)]+\.ttf\) format\("truetype"\)')
FONTS_OF_TEXT = tuple(
    f"vendor/fonts/source-{name}.woff2"
    for name in ("serif-4-latin-wght-normal", "serif-4-latin-wght-italic", "sans-3-latin-wght-normal")
)
FONTS_OF_MATH = tuple(
    f"vendor/mathjax/output/chtml/fonts/woff-v2/MathJax_{name}.woff"
    for name in ("Main-Regular", "Math-Italic", "Size1-Regular")
)
# The triangle that unfolds a part of the table of contents has no name in the theme, which a screen reader needs.
NAMELESS = '<summary><span class="toctree-toggle"'
NAMED = NAMELESS.replace("<summary>", '<summary aria-label="Pages beneath">')
# From the file system a browser refuses to load a font ahead of its style sheet, and says so as an error.
PRELOAD = """<script>if (location.protocol.startsWith("http")) for (const font of {fonts}) document.write(
  `<link rel="preload" as="font" crossorigin href="${{font}}">`);</script>"""


def preload_fonts(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Ask at the top of the page for the fonts that it surely needs."""
    names = FONTS_OF_TEXT + (FONTS_OF_MATH if 'class="math' in context.get("body", "") else ())
    fonts = [context["pathto"](f"_static/{name}", True) for name in names]
    context["metatags"] = PRELOAD.format(fonts=json.dumps(fonts)) + context.get("metatags", "")


def keep_used_icons(style: str, used: set[str]) -> tuple[str, list[int]]:
    """The style sheet without the icons that no page names, and the characters of those that are left."""
    left: list[int] = []

    def shorten(rule: re.Match[str]) -> str:
        if used.isdisjoint(ICON.findall(rule[1])):
            return ""
        left.append(int(rule[2], 16))
        return rule[0]

    return ICON_RULE.sub(shorten, style), left


def shrink_font(font: Path, characters: list[int]) -> bytes:
    """A WOFF font of the given characters only. (WOFF2 would need one more library to save a few hundred bytes.)"""
    with TTFont(font, recalcTimestamp=False) as whole:  # the same bytes at any time
        part = subset.Subsetter()
        part.populate(unicodes=characters)
        part.subset(whole)
        whole.flavor = "woff"
        stream = BytesIO()
        whole.save(stream)
    return stream.getvalue()


def put_icons_inside(style: str, folder: Path, characters: list[int]) -> str:
    """The style sheet with the icons that are left inside it."""

    def inside(font: re.Match[str]) -> str:
        content = base64.b64encode(shrink_font(folder / f"{font[1]}.ttf", characters)).decode()
        return f'url("data:font/woff;base64,{content}") format("woff")'

    return ICON_FONT.sub(inside, style)


def lighten(app: Sphinx, exception: Exception | None) -> None:
    """Rewrite the finished pages and the theme's style sheet."""
    if exception is not None or app.builder.format != "html":
        return
    site, used, shown = Path(app.outdir), set(), set()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        lighter = UNUSED.sub("", text).replace(NAMELESS, NAMED)
        if page.name != "search.html":
            lighter = FOR_SEARCH.sub("", lighter)
        if 'class="math' not in text:  # Sphinx counts the formulas of all pages beneath
            lighter = FOR_MATH.sub("", lighter)
        used |= set(ICON.findall(lighter))
        shown |= set(CARD.findall(lighter))
        if lighter != text:
            page.write_text(lighter, encoding="utf-8")
    theme = site / "_static" / "styles" / "pydata-sphinx-theme.css"
    style, characters = keep_used_icons(theme.read_text(encoding="utf-8"), used)
    characters += map(ord, ICON_VARIABLE.findall(style))  # those that the style sheet itself draws
    if not characters or not ICON_FONT.search(style):
        raise ExtensionError(
            "the theme's style sheet has another form than lighten.py expects: no icon was found in it"
        )
    theme.write_text(put_icons_inside(style, theme.parent, characters), encoding="utf-8")
    (site / "_static" / "scripts" / "fontawesome.js").unlink()
    for card in (site / "_images" / "social_previews").glob("*.png"):
        if card.name not in shown:  # left by an earlier build
            card.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    app.connect("html-page-context", preload_fonts)
    app.connect("build-finished", lighten, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
