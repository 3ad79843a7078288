"""What the tests of live figures share: a finger, and what axe finds."""

from __future__ import annotations

from typing import Any


def swipe(page: Any, x: float, y: float, rise: float) -> None:
    """Put a finger down at a place of the screen, move it upwards, and take it away."""
    session = page.context.new_cdp_session(page)
    for step in range(6):
        kind = "touchMove" if step else "touchStart"
        point = {"x": x, "y": y - rise * step / 5}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)


def violations(page: Any) -> list[tuple[str, list[str]]]:
    """What axe finds on a page, with the elements."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in found]
