"""``{gallery} part1``: a card for each figure of ``book/gallery.yml``, its small picture made from the built figure."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from lists import read_list
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

WIDTH, QUALITY = 360, 80
DRAWN = Path("book", "_static", "gallery")  # pictures of what has no image, NAME.svg
CARD = """\
<li><a href="{address}">
<img src="{source}" alt="{alt}" width="{width}" height="{height}" loading="lazy" decoding="async">
<b>{title}{kind}</b> <span class="text">{text}</span></a></li>"""

log = logging.getLogger(__name__)


class gallery(nodes.General, nodes.Element):
    """Where the cards of a part will stand."""


class Gallery(SphinxDirective):
    """The cards of the part of ``book/chapters.yml`` that is named in the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A place for the cards, which need the figures of other pages."""
        self.env.note_reread()  # those may have changed
        return [gallery(part=self.arguments[0])]


def mark_live_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Give each live figure an anchor of its name: it is raw HTML, which Sphinx does not read."""
    for name in (drawing.stem for drawing in Path(app.srcdir, DRAWN).glob("*.svg")):
        for raw in list(doctree.findall(nodes.raw)):
            if f"<{name}" in raw.astext():
                raw.parent.insert(raw.parent.index(raw), nodes.target(ids=[name]))


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the cards where they belong."""
    for place in list(doctree.findall(gallery)):
        cards = [] if app.builder.format != "html" else cards_of(app, docname, place["part"])
        markup = "\n".join(['<ul class="gallery">', *cards, "</ul>"]) if cards else ""
        place.replace_self(nodes.raw("", markup, format="html"))


def cards_of(app: Sphinx, docname: str, part: str) -> list[str]:
    """The cards of a part, in the order of its chapters."""
    parts, chosen = read_list(app, "chapters.yml"), read_list(app, "gallery.yml")
    if part not in parts:
        log.warning("%r is not a part in chapters.yml; use one of %s", part, ", ".join(parts), location=docname)
        return []
    cards = []
    for chapter in parts[part]:
        for page in filter(chosen.__contains__, chapter["pages"]):
            if page not in app.env.found_docs:
                log.warning("gallery.yml names the page %s, which is not built", page, location=docname)
                continue
            shown = app.env.get_doctree(page)
            for name, text in chosen[page].items():
                card = card_of(app, docname, page, shown, name)
                if card is None:
                    log.warning("gallery.yml names the figure %s, which is not on %s", name, page, location=docname)
                else:
                    cards.append(CARD.format(title=escape(chapter["title"]), text=escape(text), **card))
    return cards


def card_of(app: Sphinx, docname: str, page: str, shown: nodes.document, name: str) -> dict[str, str | int] | None:
    """What a card says beside title and text; None where ``shown``, the page, has no such figure."""
    place = next((node for node in shown.findall(nodes.Element) if name in node.get("ids", ())), None)
    drawing = Path(app.srcdir, DRAWN, f"{name}.svg")
    image = None if place is None else next(place.findall(nodes.image), None)
    if place is None or not (image or drawing.is_file()):
        return None
    kind = "notebook" if page.startswith("notebooks/") else "live" if isinstance(place, nodes.target) else ""
    if drawing.is_file():
        source, alt, size = f"_static/gallery/{drawing.name}", *describe(drawing)
    else:
        source, alt = f"_images/gallery/{name}.webp", image["alt"]
        size = shrink(Path(app.srcdir, image["uri"]), Path(app.outdir, source))
    return {
        "address": escape(f"{app.builder.get_relative_uri(docname, page)}#{name}"),
        "source": relative_uri(app.builder.get_target_uri(docname), source),
        "alt": escape(alt),
        "width": size[0],
        "height": size[1],
        "kind": f" <span>{kind}</span>" if kind else "",
    }


def shrink(image: Path, target: Path) -> tuple[int, int]:
    """Write a small copy of ``image``, on white; its width and height."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(image) as picture:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        small = Image.alpha_composite(white, picture).convert("RGB")
    small.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    small.save(target, quality=QUALITY, method=6)
    return small.size


def describe(drawing: Path) -> tuple[str, tuple[int, int]]:
    """The title of a drawing, and its width and height."""
    picture = ElementTree.parse(drawing).getroot()
    title = picture.findtext("{http://www.w3.org/2000/svg}title") or ""
    return title, (int(picture.attrib["width"]), int(picture.attrib["height"]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_node(gallery)
    app.add_directive("gallery", Gallery)
    app.connect("doctree-read", mark_live_figures)
    app.connect("doctree-resolved", fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
