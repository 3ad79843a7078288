"""The figure of the chapter on pseudo-labels, in a real browser, against ``paperlib.pseudo_labels``."""

import functools
import re

import numpy as np
import pytest
import torch
from live_figures import swipe, violations

from paperlib.pseudo_labels import ExpectationMaximization

pytestmark = pytest.mark.browser

FIGURE = "document.querySelector('pseudo-labels')"


@pytest.fixture
def open_page(open_figure):
    return functools.partial(open_figure, "pseudo-labels")


def caption(page):
    return page.locator(".ps-caption").inner_text().replace("\xa0", " ")


def iteration(page):
    return int(re.match(r"Iteration (\d+)", caption(page))[1])


def last(page):
    return page.evaluate(f"{FIGURE}.last")


def centre(page, index, kind="pl-point"):
    box = page.locator(f".{kind}").nth(index).bounding_box()
    return pytest.approx((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), abs=1)


def place(page, index, kind="pl-point"):
    return centre(page, index, kind).expected


def moved(page):
    """How far each label is from its prediction, in units of the plane."""
    links = page.locator(".ps-link").all()
    ends = np.array([[float(link.get_attribute(name)) for name in ("x1", "y1", "x2", "y2")] for link in links])
    return np.hypot(*(ends[:, 2:] - ends[:, :2]).T)


def drag(page, index, to, steps=4):
    page.mouse.move(*place(page, index))
    page.mouse.down()
    page.mouse.move(*to, steps=steps)
    page.mouse.up()


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def expected(page, **settings):
    """What the library says of the predictions that are shown."""
    probs = torch.tensor(page.evaluate(f"{FIGURE}.probs"), dtype=torch.float64)
    return ExpectationMaximization(page.evaluate(f"{FIGURE}.weight"), **settings).solve(probs, warn=False)


def test_it_opens_with_every_label_on_its_prediction(open_page):
    page = open_page()
    assert iteration(page) == 0
    assert moved(page) == pytest.approx(0, abs=1e-12)
    assert place(page, 0, "ps-label") == centre(page, 0)


def test_a_step_is_one_iteration_and_the_caption_is_the_librarys(open_page):
    page = open_page()
    for t in (1, 2):
        press(page, "Step")
        found = expected(page, max_iterations=t, tolerance=1e-300)
        assert caption(page).startswith(f"Iteration {t}: value {found.value:.4f} nats, gap ")
        gap = float(re.search(r"gap ([\d.]+) nats", caption(page))[1])
        assert gap == pytest.approx(found.gap, rel=0.05)
        shares = [round(100 * share) for share in found.targets.mean(0).tolist()]
        assert caption(page).endswith("A {} %, B {} %, C {} %.".format(*shares))
    assert (moved(page) > 0.1).all()


def test_the_labels_are_drawn_where_the_library_has_them(open_page):
    page = open_page()
    page.evaluate(f"{FIGURE}.go({FIGURE}.last)")
    targets = expected(page, max_iterations=last(page), tolerance=1e-300).targets.numpy()
    numbers = re.findall(r"-?[\d.]+", page.locator(".ps-edge").get_attribute("d"))
    corners = np.array(numbers, dtype=float).reshape(3, 2)  # the clusters A, B and C
    marks = [*page.locator(".ps-label").all(), page.locator(".ps-mean")]
    for mark, row in zip(marks, [*targets, targets.mean(0)], strict=True):
        x, y = re.match(r"translate\((\S+) (\S+)\)", mark.get_attribute("transform")).groups()
        assert (float(x), float(y)) == pytest.approx(tuple(row @ corners), abs=1e-8)


def test_play_runs_until_the_gap_has_closed_and_can_be_paused_and_stepped(open_page):
    page = open_page(motion="no-preference")
    page.wait_for_timeout(300)
    assert iteration(page) == 0  # nothing moves unasked
    button = page.locator("[data-do=play]")
    button.click()
    page.wait_for_function(f"{FIGURE}.t > 0")
    button.click()
    assert button.inner_text() == "Resume"
    paused = page.locator(".ps-mean").get_attribute("transform")
    page.wait_for_timeout(200)
    assert page.locator(".ps-mean").get_attribute("transform") == paused
    t = iteration(page)
    press(page, "Step")
    assert iteration(page) == t + 1
    button.click()
    page.locator("[data-do=play]", has_text="Play").wait_for(timeout=20_000)
    assert f"Iteration {last(page)}, converged" in caption(page)
    found = expected(page)  # at the library's own tolerance
    assert found.value == pytest.approx(page.evaluate(f"{FIGURE}.path[{last(page)}].value"), abs=1e-5)
    press(page, "Step")
    assert iteration(page) == last(page)


def test_where_less_motion_is_asked_for_play_shows_still_pictures(open_page):
    page = open_page(motion="reduce")
    start = caption(page)
    page.wait_for_timeout(300)
    assert caption(page) == start
    page.locator("[data-do=play]").click()
    seen = page.evaluate(f"""async () => {{
        const figure = {FIGURE}, mean = figure.querySelector(".ps-mean"), seen = new Map();
        for (const end = performance.now() + 2800; performance.now() < end; ) {{
            await new Promise(requestAnimationFrame);
            seen.set(mean.getAttribute("transform"), figure.t);
        }}
        return [...seen.values()];
    }}""")
    assert len(seen) > 1
    assert seen == [0, 1, 3][: len(seen)]


def test_the_slider_works_by_keyboard_and_more_fairness_makes_the_shares_more_even(open_page):
    page = open_page()
    slider = page.get_by_role("slider", name="λ, the fairness weight")
    assert slider.get_attribute("aria-valuetext") == "fairness weight 3"
    page.evaluate(f"{FIGURE}.go({FIGURE}.last)")
    spread = {}
    for key in ("Home", "End"):
        slider.press(key)
        assert "converged" in caption(page)  # the end stays in view
        shares = [int(v) for v in re.findall(r"[ABC] (\d+) %", caption(page))]
        spread[slider.get_attribute("aria-valuetext")] = max(shares) - min(shares)
    assert list(spread) == ["fairness weight 0.1", "fairness weight 100"]
    assert spread["fairness weight 0.1"] > 20
    assert spread["fairness weight 100"] <= 1
    assert last(page) > 300


def test_reset_undoes_everything(open_page):
    page = open_page()
    before, at = caption(page), place(page, 9)
    drag(page, 9, (at[0] - 60, at[1] - 60))
    page.get_by_role("slider").press("End")
    press(page, "Step")
    press(page, "Reset")
    assert caption(page) == before
    assert centre(page, 9) == at
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "fairness weight 3"


def test_dragging_a_prediction_moves_the_labels_of_all(open_page):
    page = open_page()
    page.evaluate(f"{FIGURE}.go({FIGURE}.last)")
    other, (x, y) = place(page, 0, "ps-label"), place(page, 9)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 150, y - 200, steps=5)
    page.wait_for_function(f"{FIGURE}.probs[9][2] > 0.5")  # while the button is still held
    page.mouse.up()
    assert centre(page, 9) == (x - 150, y - 200)
    assert "converged" in caption(page)
    assert place(page, 0, "ps-label") != pytest.approx(other, abs=1)
    node = page.locator(".pl-point").nth(9)
    assert node.get_attribute("data-cluster") == "2"
    assert re.match(r"Prediction 10: A.\d+.%, B.\d+.%, C.\d+.%; its label: A", node.get_attribute("aria-label"))


@pytest.mark.parametrize("to", [(5, 5), (895, 300), (250, 995), (20, 700)])
def test_a_prediction_cannot_leave_the_triangle(open_page, to):
    page = open_page()
    drag(page, 6, to)
    row = page.evaluate(f"{FIGURE}.probs[6]")
    assert sum(row) == pytest.approx(1)
    assert min(row) == pytest.approx(0.01)
    assert page.evaluate(f"{FIGURE}.path.every((state) => state.targets[6].every((v) => v > 0))")


def test_a_finger_on_a_prediction_drags_it_and_elsewhere_scrolls_the_page(open_page):
    page = open_page(width=390, height=700, touch=True)
    x, y = place(page, 7)
    swipe(page, x, y, 40)
    assert page.evaluate("scrollY") == 0
    assert centre(page, 7) == (x, y - 40)
    box = page.locator(".pl-plane").bounding_box()
    swipe(page, box["x"] + 8, box["y"] + box["height"] / 2, 150)
    assert page.evaluate("scrollY") > 0


def test_arrow_keys_move_the_focused_prediction_and_page_keys_choose_another(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    page.keyboard.press("PageDown")
    x, y = place(page, 1)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    after = place(page, 1)
    assert after[0] > x
    assert after[1] < y
    for _ in range(30):
        page.keyboard.press("ArrowDown")  # against the edge
    assert min(page.evaluate(f"{FIGURE}.probs[1]")) == pytest.approx(0.01)


def test_what_changes_is_announced_once_it_has_come_to_rest(open_page):
    page = open_page()
    spoken = page.locator("[aria-live=polite]")
    press(page, "Step")
    assert "Iteration 1" not in spoken.inner_text()
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('Iteration 1')")
    assert spoken.text_content() == page.locator(".ps-caption").text_content()


def test_the_plot_shows_the_gap_up_to_the_present_iteration(open_page):
    page = open_page()
    page.evaluate(f"{FIGURE}.go({FIGURE}.last)")
    area, mark = page.locator(".ps-area svg").bounding_box(), page.locator(".ps-area i").bounding_box()
    assert mark["x"] + mark["width"] / 2 == pytest.approx(area["x"] + area["width"], abs=1.5)
    levels = [box["y"] + box["height"] / 2 for box in (n.bounding_box() for n in page.locator(".ps-up span").all())]
    assert page.locator(".ps-up span").all_inner_texts() == ["10", "0.1", "0.001", "0.00001"]
    assert np.diff(levels) == pytest.approx([levels[1] - levels[0]] * 3, abs=0.1)
    decades = (mark["y"] + mark["height"] / 2 - levels[3]) / (levels[1] - levels[0]) * 2
    gap = page.evaluate(f"{FIGURE}.path[{FIGURE}.last].gap")
    assert -5 - decades == pytest.approx(np.log10(gap), abs=0.05)
    assert page.locator(".ps-gap").get_attribute("d").count(",") == last(page) + 1
    label = page.locator(".ps-area").get_attribute("aria-label")
    assert re.fullmatch(rf"Gap 0\.\d+ nats at first, 0\.0000\d+ at iteration {last(page)}", label)


@pytest.mark.parametrize("width", [320, 390, 600, 700, 900, 1300])
def test_the_script_shifts_nothing_and_nothing_overflows(open_page, width):
    bare = open_page(width=width, script=False).locator("pseudo-labels")
    assert bare.inner_text() == "Shown where scripts run."
    page = open_page(width=width)
    height = page.locator("pseudo-labels").bounding_box()["height"]
    assert height == bare.bounding_box()["height"]
    page.evaluate(f"{FIGURE}.go({FIGURE}.last)")
    for key in ("Home", "End"):
        page.get_by_role("slider").press(key)
        assert page.locator("pseudo-labels").bounding_box()["height"] == height
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for control in page.locator("button, input").all():
        assert control.bounding_box()["height"] >= 44


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 900])
def test_axe_finds_no_violation(open_page, theme, width):
    page = open_page(theme=theme, width=width)
    page.keyboard.press("Tab")
    page.evaluate(f"{FIGURE}.go(3)")
    assert violations(page) == []


def test_clusters_differ_in_colour_and_in_shape(open_page):
    page = open_page()
    looks = page.evaluate("""() => [0, 1, 2].map((cluster) => {
        const path = document.querySelector(`.pl-point[data-cluster="${cluster}"]`).lastElementChild;
        return [getComputedStyle(path).fill, path.getAttribute("d")];
    })""")
    colours, shapes = zip(*looks, strict=True)
    assert len(set(colours)) == len(set(shapes)) == 3


def test_a_frame_of_a_drag_is_solved_and_drawn_within_fifty_milliseconds(open_page):
    times = open_page().evaluate(f"""() => {{
        const figure = {FIGURE};
        figure.go(figure.last);
        figure.slider.value = figure.slider.max;
        return Array.from({{ length: 21 }}, (_, i) => {{
            const start = performance.now();
            figure.move(3, -3 + i / 5, 1.5 - i / 10);
            figure.solve({{ warm: true }});
            figure.getBoundingClientRect();
            return performance.now() - start;
        }});
    }}""")
    assert np.quantile(times, 0.25) < 50  # the lower quartile: another process may hold the machine for a while


def test_the_chapter_on_pseudo_labels_holds_the_figure_and_its_scripts(html):
    page = (html / "book" / "part2" / "solving-for-pseudo-labels.html").read_text(encoding="utf-8")
    parts = ("_static/plane.css", "_static/pseudo-labels.css", "<pseudo-labels", "plane.js", "pseudo-labels.js")
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
