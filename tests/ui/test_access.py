"""The page before an API that asks for keys itself, and the pages that try the API out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from playwright.sync_api import expect

from local.ports import free_ports
from store.database import Database
from store.keys import Keys
from tests.stack import WORKER, Stack, until
from tests.ui.conftest import Opener
from tests.ui.test_keys import give

Door = tuple[str, Keys]


@pytest.fixture(scope="module")
def door(stack: Stack) -> Iterator[Door]:
    """Run another API on the stack's stores, which asks for keys; give it and its table of them."""
    own = psutil.Process(stack.pids(WORKER)[0]).environ()
    [port] = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "api"],
        env={**os.environ, **own, "SKYLANE_API_PORT": str(port), "SKYLANE_ACCESS": "keys"},
    )
    url = f"http://127.0.0.1:{port}"
    database = Database(own["DATABASE_URL"], size=1)
    table = Keys(database)
    table.create("first")

    def answers() -> bool:
        try:
            return requests.get(f"{url}/health", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        until(answers)
        yield url, table
    finally:
        process.terminate()
        process.wait(30)
        database.close()


def test_the_page_asks_for_a_key_and_does_everything_with_it(
    open_page: Opener, door: Door, tiles: list[Path]
) -> None:
    url, table = door
    page = open_page(url=url)
    give(page, "skl_wrong")
    expect(page.get_by_text("does not take the key")).to_be_visible()
    give(page, table.create("page").text)
    with page.expect_request(re.compile("/events")):
        page.get_by_test_id("files").set_input_files(tiles[:5])
    expect(page.get_by_test_id("overview")).to_have_text(re.compile("^5 of 5 done"))
    page.get_by_role("link", name="Results", exact=True).click()
    picture = page.get_by_role("row").locator("img").first
    expect(picture).to_have_js_property("naturalWidth", 64)
    page.get_by_role("link", name="Dashboard").click()
    expect(page.get_by_text("Throughput").first).to_be_visible()


def test_a_key_that_may_only_read_uploads_nothing(
    open_page: Opener, door: Door, tiles: list[Path]
) -> None:
    url, table = door
    page = open_page(url=url)
    give(page, table.create("reader", ["read"]).text)
    page.get_by_test_id("files").set_input_files(tiles[:2])
    expect(page.get_by_text("This key may not write").first).to_be_visible()


@pytest.mark.parametrize("locked", [False, True])
def test_the_page_that_tries_the_api_out_works_under_its_policy(
    open_page: Opener, api_url: str, door: Door, locked: bool
) -> None:
    page = open_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(f"{door[0] if locked else api_url}/openapi/swagger")
    expect(page.locator(".opblock").first).to_be_visible()
    expect(page.get_by_role("button", name="Authorize")).to_have_count(int(locked))
    assert not [line for line in told if "Content Security Policy" in line]
