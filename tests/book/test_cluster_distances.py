"""The moving figure of chapter 8, GEMINI's distances, in a real browser, against ``paperlib.losses.gemini``."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from live_figures import swipe, violations

from paperlib.kernels import Kernel
from paperlib.losses import gemini

pytestmark = pytest.mark.browser

BLIND = ("kl", "tv", "hellinger", "chi2")
LOOKING = ("mmd", "gaussian", "wasserstein")


@pytest.fixture
def open_page(open_figure):
    return functools.partial(open_figure, "cluster-distances")


def values(page):
    """The seven numbers of the table."""
    texts = page.evaluate("[...document.querySelectorAll('[data-value]')].map(n => [n.dataset.value, n.textContent])")
    return {name: float(text.replace("∞", "inf")) for name, text in texts}


def caption(page):
    return page.locator(".cd-caption").inner_text()


def centre(page, cluster):
    return page.evaluate("c => document.querySelector('cluster-distances').x[c]", cluster)


def place(page, x, y):
    """Where on the screen a place of the plane is."""
    box = page.locator(".pl-plane").bounding_box()
    return box["x"] + (x + 7) * box["width"] / 14, box["y"] + (4 - y) * box["height"] / 8


def one_point(page, cluster):
    """Where on the screen the first point of a cluster is."""
    return place(page, *page.evaluate("c => document.querySelector('cluster-distances').points[8 * c]", cluster))


def of_the_library(page, kind, sure):
    """The seven numbers by paperlib, from the points of the page and the definition of sureness."""
    x = torch.tensor(page.evaluate("document.querySelector('cluster-distances').points"), dtype=torch.float64)
    own = torch.eye(3, dtype=torch.float64).repeat_interleave(8, 0)
    logits = (sure * own + (1 - sure) / 3).log()
    gram = Kernel("rbf", gamma=0.5)(x, x)
    found = {name: gemini(logits, f"{name}_{kind}") for name in BLIND}
    found |= {name: gemini(logits, f"{name}_{kind}", features=x) for name in ("mmd", "wasserstein")}
    found["gaussian"] = gemini(logits, f"mmd_{kind}", affinity=gram)
    return {name: float(value) for name, value in found.items()}


def test_the_numbers_are_those_of_the_library(open_page):
    page = open_page()
    for sure, kind, button in itertools.product((100, 60, 0), ("ova", "ovo"), ("Reset", "Together", "Apart")):
        page.get_by_role("button", name=button).click()
        page.locator(f"[value={kind}]").check()
        page.get_by_role("slider").fill(str(sure))
        expected = of_the_library(page, kind, sure / 100)
        assert page.evaluate("document.querySelector('cluster-distances').now") == pytest.approx(expected, abs=1e-8)
        assert values(page) == pytest.approx(expected, abs=5.1e-4)


def test_it_opens_hard_with_the_divergences_at_their_ceiling_and_asks_what_will_move(open_page):
    page = open_page()
    most = page.locator(".cd-most").all_inner_texts()
    assert most == [f"{v:.3f}" for v in (math.log(3), 2 / 3, 1 - 3**-0.5, 2)] + ["∞", f"{math.sqrt(2 / 3):.3f}", "∞"]
    now, widths = values(page), page.locator(".cd-bar i").evaluate_all("bars => bars.map(bar => bar.style.width)")
    assert [f"{now[name]:.3f}" for name in BLIND] == most[:4]
    assert widths[:4] == ["100%"] * 4
    assert float(widths[4][:-1]) == pytest.approx(100 * now["mmd"] / 6, abs=0.01)
    assert float(widths[5][:-1]) == pytest.approx(100 * now["gaussian"] / math.sqrt(2 / 3), abs=0.1)
    assert "Which of them will move with a cluster, and which with the slider?" in caption(page)
    assert not page.locator(".cd-bar b").first.is_visible()


def test_as_a_cluster_is_dragged_away_only_the_distances_that_look_grow(open_page):
    page = open_page()
    page.get_by_role("button", name="Together").click()
    seen = [values(page)]
    x, y = one_point(page, 2)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 5):
        page.mouse.move(x + 40 * step, y - 10 * step)
        page.wait_for_function(f"document.querySelector('[data-value=mmd]').textContent !== '{seen[-1]['mmd']:.3f}'")
        seen.append(values(page))
    page.mouse.up()
    for name in BLIND:
        assert len({now[name] for now in seen}) == 1
    for name in LOOKING:
        assert (np.diff([now[name] for now in seen]) > 0).all()
    assert one_point(page, 2) == pytest.approx((x + 160, y - 40), abs=1)
    assert centre(page, 0) == centre(page, 1) == [0, 0]
    first, last = seen[0], seen[-1]
    assert caption(page) == (
        f"Mutual information does not move: {first['kl']:.3f} before and after. Linear MMD goes from 0.000 to "
        f"{last['mmd']:.3f}, Wasserstein goes from {first['wasserstein']:.3f} to {last['wasserstein']:.3f}."
    )
    tick = page.locator("[data-row=wasserstein] b").evaluate("mark => parseFloat(mark.style.left)")
    assert tick == pytest.approx(100 * first["wasserstein"] / 6, abs=0.01)


def test_a_second_drag_is_compared_with_its_own_start(open_page):
    page = open_page()
    for _ in range(2):
        start = values(page)["mmd"]
        x, y = one_point(page, 1)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y)
        page.mouse.up()
        page.wait_for_function(f"document.querySelector('[data-value=mmd]').textContent !== '{start:.3f}'")
        assert f"Linear MMD goes from {start:.3f} to {values(page)['mmd']:.3f}" in caption(page)


def test_less_sure_predictions_lower_all_numbers_and_hollow_the_points(open_page):
    page = open_page()
    before, slider = values(page), page.get_by_role("slider", name="How sure")
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "99 percent"
    slider.fill("50")
    assert page.locator("output").inner_text() == "67 %"
    now = values(page)
    assert all(now[name] < before[name] for name in (*BLIND, *LOOKING))
    assert now["wasserstein"] == pytest.approx(before["wasserstein"] / 2, abs=1e-3)
    assert f"Mutual information follows the predictions: it goes from 1.099 to {now['kl']:.3f}." in caption(page)
    mark = page.locator(".pl-point path").first
    assert mark.evaluate("path => getComputedStyle(path).fillOpacity") == "0.5"
    slider.fill("0")
    assert set(values(page).values()) == {0}


def test_one_vs_one_has_other_ceilings_and_is_chosen_by_keyboard_too(open_page):
    page = open_page()
    page.get_by_role("radio", name="one-vs-all").press("ArrowRight")
    assert page.get_by_role("radio", name="one-vs-one").is_checked()
    most = page.locator(".cd-most").all_inner_texts()
    assert most == ["∞", "0.667", "0.667", "∞", "∞", f"{2 * 2**0.5 / 3:.3f}", "∞"]
    assert values(page)["kl"] == values(page)["chi2"] == math.inf
    assert "One-vs-one KL ∞, linear MMD" in caption(page)
    assert not page.get_by_text("mutual information", exact=False).first.is_visible()
    page.get_by_role("button", name="Apart").click()
    assert "One-vs-one KL does not move: ∞ before and after." in caption(page)


def test_a_cluster_halfway_between_the_others_is_lost_to_one_vs_all_linear_mmd_alone(open_page):
    page = open_page()
    page.evaluate("""() => {
        const figure = document.querySelector("cluster-distances");
        figure.x = [[-3, 0], [0, 0], [3, 0]];
        figure.solve();
    }""")
    assert values(page)["mmd"] == pytest.approx(2, abs=1e-3)  # a third of 3 + 0 + 3
    page.locator("[value=ovo]").check()
    assert values(page)["mmd"] == pytest.approx(2 / 9 * (3 + 3 + 6), abs=1e-3)


def test_together_the_linear_mmd_is_nothing_and_wasserstein_is_not_and_reset_undoes_all(open_page):
    page = open_page()
    start = values(page)
    page.get_by_role("button", name="Together").click()
    together = values(page)
    assert together["mmd"] == 0
    assert together["wasserstein"] > 0.1
    page.get_by_role("button", name="Apart").click()
    assert all(values(page)[name] > start[name] > together[name] for name in LOOKING)
    page.get_by_role("slider").fill("40")
    page.locator("[value=ovo]").check()
    page.get_by_role("button", name="Reset").click()
    assert values(page) == start
    assert page.locator("[value=ova]").is_checked()
    assert page.locator("output").inner_text() == "100 %"


def test_the_buttons_move_the_clusters_smoothly_where_motion_is_welcome(open_page):
    page = open_page(motion="no-preference")
    page.get_by_role("button", name="Apart").click()
    seen = page.evaluate("""async () => {
        const figure = document.querySelector("cluster-distances"), seen = [];
        for (const end = performance.now() + 1500; performance.now() < end; ) {
            await new Promise(requestAnimationFrame);
            seen.push([figure.now.kl, figure.now.mmd]);
        }
        return seen;
    }""")
    kl, mmd = np.transpose(seen)
    assert len(set(mmd)) > 5
    assert (np.diff(mmd) >= 0).all()
    assert len(set(kl)) == 1
    assert centre(page, 1) == [4.8, -2.5]


def test_a_finger_on_a_cluster_drags_it_and_elsewhere_scrolls_the_page(open_page):
    page = open_page(width=390, height=700, touch=True)
    x, y = one_point(page, 0)
    swipe(page, x, y, -30)
    assert page.evaluate("scrollY") == 0
    assert one_point(page, 0) == pytest.approx((x, y + 30), abs=1)
    swipe(page, *place(page, -5.5, 3), 60)
    assert page.evaluate("scrollY") > 0


def test_arrow_keys_move_the_focused_cluster_and_page_keys_choose_another(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert "The squares, centre at −2.6, −0.9" in page.locator(":focus").get_attribute("aria-label")
    page.keyboard.press("PageDown")
    start, before = centre(page, 1), values(page)
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert centre(page, 1) == pytest.approx([start[0] + 0.25, start[1] - 0.5])
    assert f"Linear MMD goes from {before['mmd']:.3f} to" in caption(page)  # three presses are one move
    page.keyboard.press("End")
    assert "The triangles" in page.locator(":focus").get_attribute("aria-label")
    assert "transport of the triangles" in page.locator(".pl-legend").inner_text()
    page.keyboard.press("PageUp")
    assert "The circles" in page.locator(":focus").get_attribute("aria-label")


def test_a_cluster_stays_inside_the_plane(open_page):
    page = open_page()
    points = np.array(
        page.evaluate("""() => {
            const figure = document.querySelector("cluster-distances");
            return [[99, 99], [-99, -99]].map((far) => {
                [0, 1, 2].forEach((c) => figure.move(c, ...far));
                return figure.points;
            });
        }""")
    )
    assert np.abs(points[..., 0]).max() == pytest.approx(6.7)
    assert np.abs(points[..., 1]).max() == pytest.approx(3.7)


def test_what_the_two_distances_look_at_is_drawn(open_page):
    page = open_page()
    lines = "document.querySelector('.cd-means').getAttribute('d').match(/M[^ML]*L[^ML]*/g).length"
    plan = "document.querySelector('.cd-plan').getAttribute('d')"
    moves = page.evaluate(plan).count("L")
    assert page.evaluate(lines) == 3
    assert 16 <= moves <= 23  # each of sixteen others gets its share; a vertex of the polytope has no cycles
    page.locator("[value=ovo]").check()
    assert page.evaluate(lines) == 3
    assert page.evaluate(plan).count("L") >= 16


def test_what_changes_is_announced_once_it_has_come_to_rest(open_page):
    page = open_page()
    spoken = page.locator("[aria-live=polite]")
    page.wait_for_function("document.querySelector('[aria-live]').textContent !== ''")
    page.get_by_role("button", name="Together").click()
    assert "does not move" not in spoken.inner_text()
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('does not move')")
    assert spoken.inner_text() == caption(page)
    table = page.get_by_role("table", name="Distances, each cluster against all data")
    assert table.get_by_role("row", name="MMD, linear kernel 0.000 ∞").count() == 1


def test_the_script_shifts_nothing_and_nothing_overflows(open_page):
    bare, page = open_page(script=False), open_page()
    before, after = bare.locator("cluster-distances"), page.locator("cluster-distances")
    assert before.inner_text() == "Shown where scripts run."
    targets = page.locator("button, input[type=range], fieldset label, .pl-ring")
    for width in (320, 390, 600, 900, 1300):
        for each in (bare, page):
            each.set_viewport_size({"width": width, "height": 1000})
        height = before.bounding_box()["height"]
        for kind, sure, button in (("ova", "100", "Reset"), ("ova", "40", "Apart"), ("ovo", "40", "Together")):
            page.get_by_role("button", name=button).click()
            page.get_by_role("slider").fill(sure)
            page.locator(f"[value={kind}]").check()
            assert after.bounding_box()["height"] == height
        assert page.evaluate("document.documentElement.scrollWidth") == width
        sizes = targets.evaluate_all("all => all.map((n) => n.getBoundingClientRect()).map((b) => [b.width, b.height])")
        assert len(sizes) == 9
        assert np.min(sizes) >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 900])
def test_axe_finds_no_violation(open_page, theme, width):
    page = open_page(theme=theme, width=width)
    page.keyboard.press("Tab")
    assert violations(page) == []


def test_a_frame_of_a_drag_is_solved_and_drawn_within_fifty_milliseconds(open_page):
    page = open_page()
    page.get_by_role("slider").fill("50")
    for kind in ("ova", "ovo"):
        page.locator(f"[value={kind}]").check()
        times = page.evaluate("""() => {
            const figure = document.querySelector("cluster-distances");
            return Array.from({ length: 21 }, (_, i) => {
                const start = performance.now();
                figure.move(0, i / 10 - 1, i / 20);
                figure.solve({ warm: true });
                figure.getBoundingClientRect();
                return performance.now() - start;
            });
        }""")
        assert np.quantile(times, 0.25) < 50  # the lower quartile: another process may hold the machine for a while


def test_the_chapter_holds_the_figure_and_its_scripts(html):
    page = (html / "book" / "part2" / "why-not-kl.html").read_text(encoding="utf-8")
    parts = ("_static/plane.css", "<cluster-distances", "_static/plane.js", "cluster-distances.js")
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
