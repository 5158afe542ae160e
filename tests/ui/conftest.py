"""A browser before the real stack: the page as ./run serves it, and nothing made up behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from bench.browser import ARGUMENTS, chromium

DESKTOP = {"width": 1440, "height": 900}
AXE = Path(__file__).parents[2] / "ui/node_modules/axe-core/axe.min.js"
GRAVE = ("serious", "critical")
LIMIT_MS = 15_000  # for anything to appear
expect.set_options(timeout=LIMIT_MS)

Opener = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Run a headless Chromium."""
    try:
        path = chromium()
    except LookupError as error:
        pytest.skip(str(error))
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, api_url: str) -> Iterator[Opener]:
    """Return a function that opens a page in a profile of its own.

    What the page's code throws fails the test, whatever else it finds.
    """
    contexts: list[BrowserContext] = []
    thrown: list[str] = []

    def opened(path: str = "", url: str = api_url, **options: object) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(LIMIT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: thrown.append(str(error)))
        page.goto(f"{url}/#/{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not thrown


@pytest.fixture
def page(open_page: Opener) -> Page:
    """Return the page for classifying, just opened."""
    return open_page()


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders on the page, as a hand does: the browser reads them itself."""
    box = page.get_by_test_id("drop-zone").bounding_box()
    assert box
    mouse = page.context.new_cdp_session(page)
    for event in ("dragEnter", "dragOver", "drop"):
        mouse.send(
            "Input.dispatchDragEvent",
            {
                "type": event,
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "data": {
                    "items": [],
                    "files": [str(path) for path in paths],
                    "dragOperationsMask": 1,
                },
            },
        )


def violations(page: Page) -> list[str]:
    """Return what axe has against the page and is serious, and where."""
    # As an argument, not as a tag: the page's policy lets no foreign script in.
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]
