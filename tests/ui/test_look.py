"""Everyone can use it: by keyboard, on a phone, in the dark, with a screen reader."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.conftest import TILES
from tests.ui.conftest import Opener, drop, violations

PAGES = ("", "results", "dashboard", "compare")


def filled(open_page: Opener, path: str, **options: object) -> Page:
    """Open a page with something on it."""
    page = open_page(path, **options)
    if path == "":
        drop(page, TILES)
        expect(page.get_by_test_id("overview")).to_contain_text("50 of 50 done")
        page.get_by_role("button", name="Probabilities").first.click()
    elif path == "results":
        expect(page.locator("tr[data-request-id]").first).to_be_visible()
    elif path == "dashboard":
        expect(page.get_by_text("Where the time goes").first).to_be_visible()
    else:
        expect(page.get_by_text("Nothing has been compared")).to_be_visible()
    return page


@pytest.fixture(scope="module", autouse=True)
def something_to_see(api_url: str, tiles: list[Path]) -> None:
    """Have results before any page is looked at."""
    requests.post(
        f"{api_url}/upload_batch?wait=60",
        files=[("files", (tile.name, tile.read_bytes())) for tile in tiles],
        data=[("true_label", tile.parent.name) for tile in tiles],
        timeout=90,
    ).raise_for_status()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_no_serious_violation(open_page: Opener, path: str, scheme: str) -> None:
    page = filled(open_page, path, color_scheme=scheme)
    page.wait_for_timeout(300)  # what fades in has its contrast when it is in
    assert violations(page) == []


def test_axe_finds_none_in_dialogs(open_page: Opener) -> None:
    page = filled(open_page, "results")
    page.locator("tr[data-request-id]").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("accepted to committed")
    page.wait_for_timeout(300)
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Settings").click()
    page.wait_for_timeout(300)
    assert violations(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_nothing_sticks_out_of_a_phone(open_page: Opener, path: str) -> None:
    page = filled(open_page, path, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_theme_follows_the_system_until_one_is_chosen(open_page: Opener) -> None:
    page = open_page(color_scheme="dark")
    root = page.locator("html")
    expect(root).to_have_class("dark")
    page.emulate_media(color_scheme="light")
    expect(root).not_to_have_class("dark")
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(root).to_have_class("dark")
    page.reload()
    expect(root).to_have_class("dark")
    page.get_by_role("button", name="Theme: dark").click()
    expect(root).not_to_have_class("dark")


def test_every_control_is_reached_by_tab_and_shows_that_it_is(open_page: Opener) -> None:
    page = open_page()
    expect(page.get_by_text("up to 10.5 MB each")).to_be_visible()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.textContent.trim() || document.activeElement.ariaLabel"
            )
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached[-1]
        if "Choose a folder" in reached:
            break
    assert reached[0] == "Skip to the page"
    assert [name for name in reached if name in ("Classify", "Results", "Dashboard", "Compare")]
    assert reached[-1] == "Choose a folder"


def test_a_time_is_relative_and_exact_on_hover(open_page: Opener) -> None:
    page = filled(open_page, "results")
    told = page.locator("tr[data-request-id] time").first
    expect(told).to_have_text(re.compile(r"^(now|.+ ago)$"))
    expect(told).to_have_attribute("title", re.compile(r"^\d+ \w+ 20\d\d, \d\d:\d\d:\d\d$"))
