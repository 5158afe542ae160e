"""The dashboard shows what the API counts, and leads to the images behind a figure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.stack import Stack
from tests.ui.conftest import Opener


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiles: list[Path]) -> Iterator[Stack]:
    """Run a stack of its own with fifty good images and a bad one."""
    with Stack(tmp_path_factory.mktemp("dashboard") / "home") as running:
        files = [(tile.name, tile.read_bytes()) for tile in tiles]
        files.append(("cut.jpg", tiles[0].read_bytes()[:800]))
        requests.post(
            f"{running.url}/upload_batch?wait=60",
            files=[("files", file) for file in files],
            data=[("true_label", tile.parent.name) for tile in tiles] + [("true_label", "")],
            timeout=90,
        ).raise_for_status()
        yield running


@pytest.fixture
def page(open_page: Opener, home: Stack) -> Page:
    """Return the dashboard."""
    return open_page("dashboard", url=home.url)


def figure(page: Page, name: str) -> Locator:
    return page.locator("section").filter(has=page.get_by_text(name, exact=True)).last


def test_the_figures_are_those_of_the_api(page: Page, home: Stack) -> None:
    stats = requests.get(f"{home.url}/stats", timeout=10).json()
    expect(figure(page, "Done")).to_contain_text("50")
    expect(figure(page, "Failed")).to_contain_text("truncated_image 1")
    expect(figure(page, "Workers")).to_contain_text(stats["workers"][0]["name"])
    expect(figure(page, "Accuracy")).to_contain_text(f"{stats['accuracy'] * 100:.1f} %")


def test_throughput_and_latency_are_drawn_over_time(page: Page) -> None:
    throughput = page.get_by_role("img", name=re.compile(r"Throughput\. Peak \d[\d.]* images"))
    expect(throughput.locator("path.recharts-area-area").first).to_be_visible()
    latency = page.get_by_role("img", name=re.compile(r"Latency\. The highest p99 is \d"))
    expect(latency.locator(".recharts-line")).to_have_count(3)


def test_the_span_of_time_is_in_the_address(page: Page) -> None:
    page.get_by_label("Span of time").select_option("last day")
    expect(page).to_have_url(re.compile(r"minutes=1440"))
    page.reload()
    expect(page.get_by_label("Span of time")).to_have_value("1440")


def test_a_cell_of_the_confusion_matrix_leads_to_its_images(page: Page, home: Stack) -> None:
    matrix = requests.get(f"{home.url}/stats", timeout=10).json()["confusion_matrix"]
    right = matrix["Forest"]["Forest"]
    page.get_by_role("link", name=f"{right}: Forest taken for Forest").click()
    expect(page.get_by_text(f"{right} in all")).to_be_visible()
    expect(page.get_by_label("True label")).to_have_value("Forest")


def test_two_apis_stand_side_by_side(page: Page, home: Stack, api_url: str) -> None:
    """The other one is on another origin, and has to allow this page."""
    with Stack(home.home.parent / "other", SKYLANE_CORS_ORIGINS=home.url) as other:
        page.get_by_role("button", name="Settings").click()
        page.get_by_label("Name").fill("other")
        page.get_by_label("Address").fill(f"{other.url}/")
        page.get_by_role("button", name="Add").click()
        page.keyboard.press("Escape")
        both = page.get_by_role("region").filter(has=page.get_by_role("heading", level=2))
        expect(page.get_by_role("region", name="on-prem")).to_contain_text("Where the time goes")
        expect(page.get_by_role("region", name="other")).to_contain_text("Nothing has been")
        assert both.count() >= 2
        page.reload()  # it is remembered
        expect(page.get_by_role("region", name="other")).to_be_visible()
        expect(page.get_by_label("API", exact=True)).to_be_visible()


def test_an_api_that_does_not_allow_the_page_is_told_as_away(page: Page, api_url: str) -> None:
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Name").fill("closed")
    page.get_by_label("Address").fill(api_url)
    page.get_by_role("button", name="Add").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="closed")).to_contain_text("does not answer")
