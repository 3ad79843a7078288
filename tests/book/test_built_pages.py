"""Each page of the built book, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from built_book import Visit, built_pages

pytestmark = pytest.mark.browser
# All tests of a page go to one worker, so that a page is visited once and not once a worker.
every_page = pytest.mark.parametrize(
    "name", [pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in built_pages()]
)
Visited = Callable[[str], Visit]


# Findings of axe-core that are not ours to mend: page -> rule -> reason. Empty so far, and meant to stay so.
ALLOWED: dict[str, dict[str, str]] = {}


@every_page
def test_a_page_logs_no_error(visited: Visited, name: str) -> None:
    visit = visited(name)
    assert visit.console_errors == []
    assert visit.page_errors == []


@every_page
def test_a_page_asks_no_other_machine_and_misses_no_file(visited: Visited, name: str) -> None:
    visit = visited(name)
    assert visit.outside_requests == []
    assert visit.failed_requests == []


@every_page
def test_every_formula_is_rendered(visited: Visited, name: str) -> None:
    visit = visited(name)
    assert visit.rendered == visit.formulas
    assert visit.math_errors == 0


@every_page
def test_a_phone_never_scrolls_sideways(visited: Visited, name: str) -> None:
    assert visited(name).phone_overflow <= 0


@every_page
def test_the_colour_scheme_follows_the_readers_preference(visited: Visited, name: str) -> None:
    backgrounds = visited(name).backgrounds
    assert backgrounds["light"] > 0.8
    assert backgrounds["dark"] < 0.2


@every_page
def test_every_image_has_a_text(visited: Visited, name: str) -> None:
    assert visited(name).images_without_text == []


@every_page
def test_axe_finds_exactly_what_the_allow_list_names(visited: Visited, name: str) -> None:
    findings = [finding for scheme in visited(name).axe.values() for finding in scheme]
    assert {finding["rule"] for finding in findings} == ALLOWED.get(name, {}).keys(), findings


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
        page.evaluate("window.MathJax?.startup?.promise")
        assert page.inner_text("h1").startswith("Decisive and Fair")
        assert page.locator(".math").count() == page.locator("mjx-container").count() > 0
        assert page.locator("two-strips").bounding_box()["height"] > 100
        page.get_by_role("link", name="Notation").first.click()
        page.wait_for_url("**/reference/notation.html")
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
