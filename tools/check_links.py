"""Check every internal link and anchor of the built book: `python tools/check_links.py` (standard library only).

Links that leave the machine are counted and left alone: whether they answer is another question on another day.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
# Pieces of pages that MathJax and Sphinx ship among their static files; no reader opens them.
NOT_PAGES = re.compile(r"_static/.*\.html")
REFERENCES = {"href": ("a", "link", "area"), "src": ("img", "script", "source", "iframe", "video", "audio")}


class Page(HTMLParser):
    """The identifiers that a page defines and the addresses that it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: Counter[str] = Counter()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one tag defines and refers to."""
        values = {name: value for name, value in attrs if value is not None}
        if "id" in values:
            self.ids[values["id"]] += 1
        if tag == "a" and "name" in values:
            self.names.add(values["name"])
        for attribute, tags in REFERENCES.items():
            if tag in tags and attribute in values and "canonical" not in values.get("rel", ""):
                self.links.append(values[attribute].strip())
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            _, _, target = values.get("content", "").partition("url=")
            self.links.append(target.strip())

    handle_startendtag = handle_starttag

    def has(self, anchor: str) -> bool:
        """Whether ``#anchor`` leads somewhere on this page."""
        return anchor in ("", "top") or anchor in self.ids or anchor in self.names


def broken(link: str, source: Path, html: Path, pages: dict[Path, Page]) -> str | None:
    """Why ``link`` on the page ``source`` leads nowhere, or ``None`` when it leads somewhere."""
    parts = urlsplit(link)
    if parts.path.startswith("/"):
        return "starts at the root of the server; the book must also work from a folder"
    target = source if not parts.path else (source.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(html):
        return "leads out of the book"
    if not target.is_file():
        return "there is no such file"
    anchor = unquote(parts.fragment)
    if target in pages and not pages[target].has(anchor):
        return f"{target.relative_to(html).as_posix()} has no anchor #{anchor}"
    return None


def check(html: Path) -> tuple[list[str], Counter[str]]:
    """All faults of the book in the folder ``html``, in sentences, and how many things were counted."""
    html = html.resolve()
    files = (file for file in sorted(html.rglob("*.html")) if not NOT_PAGES.match(file.relative_to(html).as_posix()))
    pages = {file: Page(file.read_text(encoding="utf-8")) for file in files}
    counts = Counter({"pages": len(pages), "internal links": 0, "external links": 0})
    faults = [] if pages else [f"there is no page under {html}"]
    for file, page in pages.items():
        name = file.relative_to(html).as_posix()
        twice = (identifier for identifier, times in page.ids.items() if times > 1)
        faults += [f"{name}: the id {identifier!r} stands there more than once" for identifier in twice]
        for link in page.links:
            if urlsplit(link).scheme or link.startswith("//"):
                counts["external links"] += 1
                continue
            counts["internal links"] += 1
            if reason := broken(link, file, html, pages):
                faults.append(f"{name}: {link!r}: {reason}")
    return faults, counts


def main() -> int:
    """Read the command line, check, and say what was found; zero when there is no fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("html", nargs="?", type=Path, default=ROOT / "_build" / "html", help="folder of the built book")
    html = parser.parse_args().html
    if not html.is_dir():
        print(f"there is no folder {html}; build the book first: make book", file=sys.stderr)
        return 2
    faults, counts = check(html)
    print(*faults, sep="\n", end="\n" if faults else "")
    print(", ".join(f"{count} {what}" for what, count in counts.items()), "-", f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
