"""Each page of the built book, in a real browser."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from built_book import PHONE, ROOT, Visit, built_pages
from fontTools.ttLib import TTFont

pytestmark = pytest.mark.browser
Visited = Callable[[str], Visit]


# Findings of axe-core that are not ours to mend: page -> rule -> reason. Empty so far, and meant to stay so.
ALLOWED: dict[str, dict[str, str]] = {}


@pytest.mark.parametrize("name", built_pages())
def test_a_page_is_sound(visited: Visited, subtests: pytest.Subtests, name: str) -> None:
    visit = visited(name)
    with subtests.test("it logs no error"):
        assert visit.console_errors == []
        assert visit.page_errors == []
    with subtests.test("it asks no other machine and misses no file"):
        assert visit.outside_requests == []
        assert visit.failed_requests == []
    with subtests.test("every formula is rendered"):
        assert visit.rendered == visit.formulas
        assert visit.math_errors == 0
        assert visit.large_scripts == 0
    with subtests.test("every image has a text"):
        assert visit.images_without_text == []
    with subtests.test("it weighs at most three megabytes before compression"):
        assert 50_000 < sum(visit.loaded.values()) < 3e6
    assert visit.views.keys() == {"desktop", "phone"}
    for width, view in visit.views.items():
        with subtests.test("it does not scroll sideways", width=width):
            assert view.overflow == 0
        with subtests.test("the colour scheme follows the reader's preference", width=width):
            assert view.backgrounds["light"] > 0.8
            assert view.backgrounds["dark"] < 0.2
        with subtests.test("axe finds exactly what the allow-list names", width=width):
            findings = [finding for scheme in view.axe.values() for finding in scheme]
            assert {finding["rule"] for finding in findings} == ALLOWED.get(name, {}).keys(), findings
        with subtests.test("the first screen comes at once, and stays where it is", width=width):
            assert view.first_paint < 4  # seconds; a tenth of that on a quiet machine
            assert view.layout_shift < 0.2  # 0.1 is called good, 0.25 poor; formulas move what is below them a little


def test_the_landing_page_weighs_less_than_half_a_megabyte_beside_its_images(visited: Visited, html: Any) -> None:
    total = 0
    for url in visited("book/index").loaded:
        file = html / urlsplit(url).path.lstrip("/")
        if file.suffix not in (".png", ".jpg", ".svg", ".webp"):
            packed = file.suffix in (".woff", ".woff2")  # the rest is compressed on its way, as GitHub Pages does
            total += file.stat().st_size if packed else len(gzip.compress(file.read_bytes(), 6))
    assert 50_000 < total < 500_000


def test_the_font_of_icons_has_every_icon_that_pages_and_style_sheets_draw(html: Any) -> None:
    style = (html / "_static" / "styles" / "pydata-sphinx-theme.css").read_text(encoding="utf-8")
    fonts = re.findall(r'url\("data:font/woff;base64,([^"]+)"\)', style)
    held = {code for font in fonts for code in TTFont(BytesIO(base64.b64decode(font))).getBestCmap()}
    drawn = re.findall(r'--pst-icon-[\w-]+:\s*"(.)"', style)
    named = re.findall(r'\.fa-rocket:{1,2}before\{content:"\\([0-9a-f]+)', style)
    assert len(drawn) > 5
    assert len(named) == 1
    assert {*map(ord, drawn), int(named[0], 16)} <= held


def test_every_link_to_colab_leads_to_a_notebook_that_exists(html: Any) -> None:
    linked: dict[str, list[str]] = {}
    address = re.compile(r'https://colab\.research\.google\.com/github/[^/]+/[^/]+/blob/main/([^"]+)')
    for page in html.rglob("*.html"):
        for path in address.findall(page.read_text(encoding="utf-8")):
            linked.setdefault(path, []).append(page.relative_to(html).as_posix())
    assert {path: pages for path, pages in linked.items() if not re.fullmatch(r"notebooks/\d\d_\w+\.ipynb", path)} == {}
    assert [path for path in linked if not (ROOT / path).is_file()] == []
    assert "book/part1/margins.html" in linked["notebooks/03_margins.ipynb"]


WITHIN_TWO_CLICKS = {
    "the counterexample": "book/part1/entropy-is-not-kmeans.html",
    "one's own data": "book/your-own-data.html",
    "the reproduction tables": "book/reference/reproduction.html",
    "Colab": "https://colab.research.google.com/github/",
}


@pytest.mark.parametrize("target", WITHIN_TWO_CLICKS.values(), ids=WITHIN_TWO_CLICKS)
def test_from_the_article_of_the_landing_page_two_clicks_at_most_lead_to(
    browser: Any, address: str, target: str
) -> None:
    context = browser.new_context(viewport=PHONE)
    try:
        page = context.new_page()

        def links_of(url: str) -> list[str]:
            page.goto(url, wait_until="domcontentloaded")
            return page.locator("article a[href]").evaluate_all("links => links.map((link) => link.href.split('#')[0])")

        reached = set(links_of(f"{address}/book/index.html"))
        wanted = target if target.startswith("https:") else f"{address}/{target}"
        if not any(link.startswith(wanted) for link in reached):
            reached |= {link for url in reached if url.startswith(address) for link in links_of(url)}
        assert any(link.startswith(wanted) for link in reached)
    finally:
        context.close()


def results_of_search(browser: Any, address: str, term: str) -> tuple[str, list[str]]:
    """What the search page says of ``term``, and the titles that it lists."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{address}/search.html?q={term}", wait_until="load")
        page.wait_for_function(
            "() => /finished|did not match/i.test(document.querySelector('#search-results')?.innerText ?? '')"
        )
        page.wait_for_timeout(300)
        return page.inner_text("#search-results"), page.locator("#search-results li a").all_inner_texts()
    finally:
        context.close()


def test_search_finds_a_word_that_the_book_explains(browser: Any, address: str) -> None:
    _, titles = results_of_search(browser, address, "decisiveness")
    assert "Glossary" in titles


def test_search_says_when_it_finds_nothing(browser: Any, address: str) -> None:
    said, titles = results_of_search(browser, address, "xylophonequark")
    assert titles == []
    assert "did not match" in said


def test_the_front_door_leads_to_a_whole_page_from_the_file_system_with_the_network_off(
    browser: Any, html: Any
) -> None:
    context = browser.new_context(offline=True)
    try:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(request.url))
        page.goto((html / "index.html").as_uri(), wait_until="load")
        page.wait_for_url("**/book/index.html")
        assert page.inner_text("h1").startswith("Decisive and Fair")
        assert page.locator("two-strips").bounding_box()["height"] > 100
        page.get_by_role("link", name="Notation").first.click()
        page.wait_for_url("**/reference/notation.html")
        page.wait_for_load_state()
        page.evaluate("window.MathJax?.startup?.promise")
        assert page.locator(".math").count() == page.locator("mjx-container").count() > 0
        assert errors == []
    finally:
        context.close()


def test_without_scripts_the_landing_page_still_shows_its_figure(browser: Any, html: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto((html / "book" / "index.html").as_uri(), wait_until="load")
        picture = page.locator("two-strips svg")
        assert picture.is_visible()
        assert "K-means" in picture.get_attribute("aria-label")
    finally:
        context.close()


def test_a_chapter_is_a_link_exactly_when_it_is_written(browser: Any, address: str) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{address}/book/index.html", wait_until="load")
        for chapter in page.locator("ul.chapters > li").all():
            promised = chapter.locator(".soon").count() == 1
            assert promised != (chapter.locator("a").count() > 0), chapter.inner_text()
    finally:
        context.close()
