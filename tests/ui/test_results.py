"""Finding results on the page, looking at one closely, taking them along, deleting one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.stack import Stack
from tests.ui.conftest import Opener

ROWS, UPLOADS = 300, 6


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiles: list[Path]) -> Iterator[Stack]:
    """Run a stack of its own with three hundred predictions in it.

    Of each upload the first tile is said to be what it is not, so that some are wrong however
    good the model is.
    """
    labels = [tile.parent.name for tile in tiles]
    labels[0] = next(label for label in labels if label != labels[0])
    assert UPLOADS * len(tiles) == ROWS
    with Stack(tmp_path_factory.mktemp("results") / "home") as running:
        for number in range(UPLOADS):
            requests.post(
                f"{running.url}/upload_batch?wait=60",
                files=[("files", (f"{number}-{tile.name}", tile.read_bytes())) for tile in tiles],
                data=[("true_label", label) for label in labels],
                timeout=90,
            ).raise_for_status()
        yield running


@pytest.fixture
def page(open_page: Opener, home: Stack) -> Page:
    """Return the page of results."""
    page = open_page("results", url=home.url)
    expect(rows(page).first).to_be_visible()
    return page


def rows(page: Page) -> Locator:
    return page.locator("tr[data-request-id]")


def test_a_row_shows_what_is_known_of_an_image(open_page: Opener, home: Stack) -> None:
    row = rows(open_page("results?search=0-forest", url=home.url)).first
    expect(row.locator("img")).to_have_js_property("naturalWidth", 64)
    expect(row).to_contain_text("Forest")
    expect(row).to_contain_text("done")
    expect(row).to_contain_text("on-prem")
    expect(row).to_contain_text("resnet50-eurosat-int8")
    expect(row.get_by_role("img", name="infer")).to_be_visible()  # the bar, in words


def test_filters_are_in_the_address_and_a_link_shows_the_same(
    page: Page, open_page: Opener, home: Stack
) -> None:
    page.get_by_label("Label", exact=True).select_option("River")
    page.get_by_label("Search by file name").fill("3-River")
    expect(page).to_have_url(f"{home.url}/#/results?label=River&search=3-River")
    expect(rows(page).first).to_contain_text("3-River")
    shown = rows(page).count()
    link = open_page("results?label=River&search=3-River", url=home.url)
    expect(rows(link)).to_have_count(shown)
    expect(link.get_by_label("Search by file name")).to_have_value("3-River")
    link.get_by_role("button", name="Clear").click()
    expect(link.get_by_text("so far")).to_be_visible()


def test_wrong_ones_are_found(page: Page, home: Stack) -> None:
    page.get_by_label("Correct").select_option("wrong")
    expect(page).to_have_url(f"{home.url}/#/results?correct=false")
    wrong = requests.get(f"{home.url}/results?correct=false&limit=1000", timeout=10).json()
    assert wrong["count"] >= UPLOADS
    expect(page.get_by_text(f"{wrong['count']} in all")).to_be_visible()


def test_the_least_sure_come_first_if_wanted(page: Page) -> None:
    page.get_by_title("Sort by confidence").click()
    expect(page.get_by_role("columnheader", name="Label", exact=True)).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_title("Sort by confidence").click()
    expect(page.get_by_label("Order")).to_have_value("confidence")
    expect(page).to_have_url(page.url.split("#")[0] + "#/results?sort=confidence")
    least = requests.get(page.url.split("#")[0] + "results?sort=confidence&limit=1", timeout=10)
    [row] = least.json()["results"]
    expect(rows(page).first).to_have_attribute("data-request-id", row["request_id"])


def test_scrolling_brings_all_rows_while_few_are_in_the_page(page: Page) -> None:
    for _ in range(30):
        page.mouse.move(700, 700)
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(100)
        if page.get_by_text(f"{ROWS} in all").count():
            break
    expect(page.get_by_text(f"{ROWS} in all")).to_be_visible()
    page.mouse.wheel(0, 40_000)
    expect(page.locator(f"tr[aria-rowindex='{ROWS}']")).to_be_visible()
    assert rows(page).count() < 60


def test_a_result_is_looked_at_closely_by_the_keyboard_alone(page: Page, home: Stack) -> None:
    newest = requests.get(f"{home.url}/results?limit=2", timeout=10).json()["results"]
    rows(page).first.get_by_role("button").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(newest[0]["request_id"])
    expect(dialog.locator("img")).to_have_css("image-rendering", "pixelated")
    expect(dialog.locator("dt", has_text="Sea lake")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text(newest[1]["request_id"])
    assert f"id={newest[1]['request_id']}" in page.url
    dialog.get_by_text("Raw JSON").click()
    expect(dialog.locator("pre")).to_contain_text('"probabilities"')
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_csv_has_what_the_filters_leave(page: Page) -> None:
    page.get_by_label("Label", exact=True).select_option("Forest")
    with page.expect_download() as started:
        page.get_by_role("button", name="CSV").click()
    with started.value.path().open() as file:
        labels = [row["predicted_label"] for row in csv.DictReader(file)]
    assert set(labels) == {"Forest"}
    assert len(labels) > 20


def test_a_result_is_deleted_only_when_that_is_meant(page: Page, home: Stack) -> None:
    name = rows(page).first.get_by_role("button").inner_text()
    row_id = rows(page).first.get_attribute("data-request-id")
    rows(page).first.click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    assert requests.get(f"{home.url}/results/{row_id}", timeout=10).ok
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"{name} is deleted.")).to_be_visible()
    expect(page.locator(f"tr[data-request-id='{row_id}']")).to_have_count(0)
    assert requests.get(f"{home.url}/images/{row_id}", timeout=10).status_code == 404


def test_a_result_that_is_not_there_says_so(open_page: Opener, home: Stack) -> None:
    page = open_page("results?id=00000000-0000-0000-0000-000000000000", url=home.url)
    expect(page.get_by_role("dialog")).to_contain_text("No image has the request_id")
