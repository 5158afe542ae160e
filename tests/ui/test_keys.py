"""Where an API asks for a key, the page asks for it, keeps it, and sends it there alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.stack import until
from tests.ui.conftest import Opener
from tests.ui.doorman import Doorman, Refusal

PUBLIC = ("/", "/config.json", "/icon.svg", "/theme.js")


def keeper(client: BaseHTTPRequestHandler) -> Refusal | None:
    """Let the page itself through, and all else only with the key."""
    public = client.path in PUBLIC or client.path.startswith("/assets/")
    return None if public or key_of(client) == "opensesame" else (401, {})


def key_of(client: BaseHTTPRequestHandler) -> str:
    """Return the key that was sent, by either header."""
    bearer = client.headers.get("Authorization", "").removeprefix("Bearer ")
    return client.headers.get("X-API-Key") or bearer


@pytest.fixture
def door(api_url: str) -> Iterator[Doorman]:
    """Run a door with a lock."""
    with Doorman(api_url, keeper) as running:
        yield running


def give(page: Page, key: str) -> None:
    page.get_by_label("Key for this server").fill(key)
    page.get_by_role("button", name="Use this key").click()


def test_a_key_is_asked_for_and_then_used_for_everything(
    open_page: Opener, door: Doorman, tiles: list[Path]
) -> None:
    page = open_page(url=door.url)
    give(page, "wrong")
    expect(page.get_by_text("does not take the key")).to_be_visible()
    give(page, "opensesame")
    page.get_by_test_id("files").set_input_files(tiles[:5])
    expect(page.get_by_test_id("overview")).to_have_text(re.compile("^5 of 5 done"))
    page.get_by_role("link", name="Results", exact=True).click()
    picture = page.get_by_role("row").locator("img").first
    expect(picture).to_have_js_property("naturalWidth", 64)
    page.reload()  # it is remembered
    expect(picture).to_have_js_property("naturalWidth", 64)


def test_who_has_no_key_is_not_asked_again_until_they_want_to(
    open_page: Opener, door: Doorman, tiles: list[Path]
) -> None:
    page = open_page(url=door.url)
    expect(page.get_by_label("Key for this server")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_test_id("files").set_input_files(tiles[:5])
    page.wait_for_timeout(4000)  # longer than it takes to look for the API again
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_test_id("overview")).to_contain_text("5 to send")
    page.get_by_role("button", name="Enter one").click()
    give(page, "opensesame")
    expect(page.get_by_test_id("overview")).to_have_text(re.compile("^5 of 5 done"))


def test_a_picture_that_lies_elsewhere_is_fetched_there_without_the_key(
    open_page: Opener, api_url: str, tiles: list[Path]
) -> None:
    asked: list[str] = []

    def elsewhere(client: BaseHTTPRequestHandler) -> Refusal | None:
        asked.append(key_of(client) or "none")
        return 200, {"Access-Control-Allow-Origin": "*", "Content-Type": "image/png"}

    with Doorman(api_url, elsewhere) as store:

        def sends_on(client: BaseHTTPRequestHandler) -> Refusal | None:
            if client.path.startswith("/images/") and key_of(client) == "opensesame":
                return 307, {"Location": store.url + client.path}
            return keeper(client)

        with Doorman(api_url, sends_on) as door:
            page = open_page(url=door.url)
            give(page, "opensesame")
            page.get_by_test_id("files").set_input_files(tiles[:1])
            expect(page.get_by_test_id("overview")).to_have_text(re.compile("^1 of 1 done"))
            page.get_by_role("link", name="Results", exact=True).click()
            until(lambda: asked)
    assert set(asked) == {"none"}


def test_a_key_is_no_other_apis(open_page: Opener, door: Doorman, api_url: str) -> None:
    page = open_page(url=door.url)
    give(page, "opensesame")
    expect(page.get_by_text("up to 10.5 MB each")).to_be_visible()
    sent: list[str] = []

    def listen(client: BaseHTTPRequestHandler) -> Refusal | None:
        sent.append(key_of(client) or "none")
        return 401, {"Access-Control-Allow-Origin": "*"}

    with Doorman(api_url, listen) as other:
        page.get_by_role("button", name="Settings").click()
        page.get_by_label("Name").fill("other")
        page.get_by_label("Address").fill(other.url)
        page.get_by_role("button", name="Add").click()
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Dashboard").click()
        field = page.get_by_label(f"Key for {other.url}")
        expect(field).to_be_visible()
        expect(field).to_have_value("")
        assert set(sent) == {"none"}
