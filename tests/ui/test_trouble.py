"""Whatever happens on the way, each image gets there, once, and the page says what goes on."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.stack import WORKER, Stack
from tests.ui.conftest import Opener
from tests.ui.doorman import LOST, Doorman, Judge, Refusal, Stopped


@pytest.fixture
def renamed(tmp_path: Path, tiles: list[Path]) -> list[Path]:
    """Return fifty tiles under names that no other test uses."""
    return [Path(shutil.copy(tile, tmp_path / f"{tmp_path.name}-{tile.name}")) for tile in tiles]


def received(api_url: str, paths: list[Path]) -> Counter[str]:
    """Count the predictions of these files."""
    mark = paths[0].name.partition("-")[0]
    found = requests.get(f"{api_url}/results?search={mark}-&limit=1000", timeout=30).json()
    return Counter(row["image_name"] for row in found["results"])


def once(paths: list[Path]) -> Counter[str]:
    return Counter(path.name for path in paths)


def first(times: int, refusal: Refusal) -> Judge:
    """Return a judge who refuses the first batches, and then none."""
    left = iter(range(times))

    def judge(client: BaseHTTPRequestHandler) -> Refusal | None:
        batch = client.path.startswith("/upload_batch")
        return refusal if batch and next(left, None) is not None else None

    return judge


def send(page: Page, paths: list[Path]) -> None:
    page.get_by_test_id("files").set_input_files(paths)


def overview(page: Page, text: str) -> None:
    expect(page.get_by_test_id("overview")).to_have_text(re.compile(text), timeout=30_000)


def test_429_is_waited_for_and_no_image_is_sent_twice(
    open_page: Opener, api_url: str, renamed: list[Path]
) -> None:
    with Doorman(api_url, first(2, (429, {"Retry-After": "2"}))) as door:
        page = open_page(url=door.url)
        send(page, renamed)
        expect(page.get_by_text("The API asks for a pause.")).to_be_visible()
        overview(page, "^50 of 50 done")
        assert door.refused == 2
    assert received(api_url, renamed) == once(renamed)


def test_an_answer_that_is_lost_makes_no_second_prediction(
    open_page: Opener, api_url: str, renamed: list[Path]
) -> None:
    with Doorman(api_url, first(2, LOST)) as door:
        page = open_page(url=door.url)
        send(page, renamed)
        overview(page, "^50 of 50 done")
        assert door.refused == 2
    assert received(api_url, renamed) == once(renamed)


def test_a_gateway_that_fails_is_asked_again(
    open_page: Opener, api_url: str, renamed: list[Path]
) -> None:
    with Doorman(api_url, first(1, (502, {}))) as door:
        page = open_page(url=door.url)
        send(page, renamed[:10])
        overview(page, "^10 of 10 done")
    assert received(api_url, renamed) == once(renamed[:10])


def test_a_proxy_that_takes_only_little_gets_little_at_a_time(
    open_page: Opener, api_url: str, renamed: list[Path]
) -> None:
    def narrow(client: BaseHTTPRequestHandler) -> Refusal | None:
        return (413, {}) if int(client.headers.get("Content-Length") or 0) > 20_000 else None

    with Doorman(api_url, narrow) as door:
        page = open_page(url=door.url)
        send(page, renamed)
        overview(page, "^50 of 50 done")
    assert received(api_url, renamed) == once(renamed)


def test_a_file_that_cannot_be_read_any_more_fails_alone(
    open_page: Opener, api_url: str, renamed: list[Path]
) -> None:
    with Doorman(api_url, first(1, (429, {"Retry-After": "2"}))) as door:
        page = open_page(url=door.url)
        send(page, renamed[:8])
        expect(page.get_by_text("The API asks for a pause.")).to_be_visible()
        renamed[3].unlink()
        overview(page, "^7 of 8 done · 1 not sent")
        lost = page.get_by_role("listitem").filter(has_text=renamed[3].name)
        expect(lost).to_contain_text("Can the file still be read?")
    assert received(api_url, renamed) == once([*renamed[:3], *renamed[4:8]])


def test_what_is_cancelled_is_not_sent_and_can_be_sent_after_all(
    open_page: Opener, api_url: str, renamed: list[Path]
) -> None:
    shut: list[Refusal] = [(503, {"Retry-After": "1"})]

    def doors(client: BaseHTTPRequestHandler) -> Refusal | None:
        return shut[0] if shut and client.path.startswith("/upload_batch") else None

    with Doorman(api_url, doors) as door:
        page = open_page(url=door.url)
        send(page, renamed[:6])
        one = page.get_by_role("listitem").filter(has_text=renamed[0].name)
        one.get_by_role("button", name="Cancel").click()
        expect(one).to_contain_text("cancelled")
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.locator("[data-state=cancelled]")).to_have_count(6)
        shut.clear()
        page.get_by_role("button", name="Retry 6").click()
        overview(page, "^6 of 6 done")
    assert received(api_url, renamed) == once(renamed[:6])


def test_what_has_left_is_not_cancelled_and_its_neighbours_are_sent_once(
    open_page: Opener, api_url: str, renamed: list[Path]
) -> None:
    with Stopped(api_url) as door:
        page = open_page(url=door.url)
        send(page, renamed[:6])
        door.held.wait(20)  # all of it has come, and nobody answers yet
        one = page.get_by_role("listitem").filter(has_text=renamed[0].name)
        one.get_by_role("button", name="Cancel").click()
        door.go.set()
        overview(page, "^6 of 6 done")
    assert received(api_url, renamed) == once(renamed[:6])


def test_an_image_that_is_deleted_while_it_waits_is_told_as_that(
    open_page: Opener, api_url: str, stack: Stack, renamed: list[Path]
) -> None:
    page = open_page()
    with stack.frozen(WORKER):
        send(page, renamed[:3])
        expect(page.locator("[data-state=queued], [data-state=running]")).to_have_count(3)
        for row in requests.get(f"{api_url}/results?limit=3", timeout=10).json()["results"]:
            requests.delete(f"{api_url}/results/{row['request_id']}", timeout=10)
        overview(page, "^0 of 3 done · 3 failed")
    expect(page.get_by_role("listitem").first).to_contain_text("It was deleted")


@pytest.mark.parametrize("while_away", ["to send", "in flight"])
def test_an_api_that_goes_down_and_comes_back_costs_time_and_nothing_else(
    open_page: Opener, tmp_path: Path, renamed: list[Path], while_away: str
) -> None:
    # What the broker forgets with its end is taken up by the sweep, here sooner than after 30 s.
    settings = {"SKYLANE_STALE_AFTER_S": "3", "SKYLANE_SWEEP_EVERY_S": "0.5"}
    with Stack(tmp_path / "home", **settings) as stack:
        page = open_page(url=stack.url)
        page.get_by_role("link", name="Results", exact=True).click()  # its code is there by now
        expect(page.get_by_text("No results yet")).to_be_visible()
        page.get_by_role("link", name="Classify", exact=True).click()
        expect(page.get_by_text("up to 10.5 MB each")).to_be_visible()
        if while_away == "in flight":
            send(page, renamed)  # the API ends in the midst of it, wherever that is
        stack.stop()
        expect(page.get_by_text("does not answer. Trying")).to_be_visible()
        page.get_by_role("link", name="Results", exact=True).click()
        expect(page.get_by_text("The API does not answer", exact=True)).to_be_visible(
            timeout=30_000
        )
        page.get_by_role("link", name="Classify", exact=True).click()
        if while_away == "to send":
            send(page, renamed)
            expect(page.get_by_test_id("overview")).to_contain_text("50 to send")
        stack.start()
        expect(page.get_by_text("does not answer. Trying")).to_have_count(0)
        overview(page, "^50 of 50 done")
        assert received(stack.url, renamed) == once(renamed)


def test_a_page_whose_code_does_not_come_says_so_and_comes_when_it_can(
    open_page: Opener, api_url: str, renamed: list[Path]
) -> None:
    shut = [True]

    def no_code(client: BaseHTTPRequestHandler) -> Refusal | None:
        # The code of the first page and of the results is there by now.
        return (404, {}) if shut and ready and client.path.startswith("/assets/") else None

    ready: list[bool] = []
    with Doorman(api_url, no_code) as door:
        page = open_page(url=door.url)
        send(page, renamed[:5])
        overview(page, "^5 of 5 done")
        ready.append(True)
        page.get_by_role("link", name="Dashboard").click()
        expect(page.get_by_text("This page could not be shown")).to_be_visible()
        page.get_by_role("link", name="Classify").click()
        overview(page, "^5 of 5 done")  # nothing that was on its way is forgotten
        shut.clear()
        page.get_by_role("link", name="Dashboard").click()
        shown = page.get_by_text("Where the time goes")
        anew = page.get_by_role("button", name="Reload")
        # Chromium remembered for good that a module did not come, until it was taught better.
        expect(shown.or_(anew)).to_be_visible()
        if anew.is_visible():
            anew.click()
        expect(shown).to_be_visible()
