"""Sending images by the page, and watching what becomes of them."""

from __future__ import annotations

import io
import re
from contextlib import ExitStack
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Page, expect

from local.s3 import BUCKET, KEYS
from tests.conftest import TILES
from tests.stack import WORKER, Stack
from tests.ui.conftest import Opener, drop

DONE = re.compile(r"^50 of 50 done")


def overview(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_test_id("overview")).to_have_text(text)


def states(page: Page, state: str) -> int:
    return page.locator(f"[data-state={state}]").count()


def test_a_dropped_folder_of_fifty_tiles_is_labelled_live(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    drop(page, TILES)
    overview(page, re.compile(r"^50 of 50 done · \d+\.\d % of 50 labels right$"))
    expect(page.get_by_test_id("label").first).to_be_visible()
    assert any("/events?" in url for url in asked)
    assert not any("/results?" in url for url in asked)  # it is told, and does not ask


def test_an_image_is_seen_queued_then_running_then_done(
    open_page: Opener, stack: Stack, tiles: list[Path]
) -> None:
    page = open_page()
    seen = page.evaluate_handle(
        """() => {
            const seen = new Set();
            new MutationObserver(() => {
                for (const one of document.querySelectorAll("[data-state]"))
                    seen.add(one.dataset.state);
            }).observe(document.body, { subtree: true, childList: true, attributes: true });
            return seen;
        }"""
    )
    with stack.frozen(WORKER):
        page.get_by_test_id("files").set_input_files(tiles[0])
        expect(page.locator("[data-state=queued], [data-state=running]")).to_have_count(1)
    expect(page.locator("[data-state=done]")).to_have_count(1)
    assert set(page.evaluate("seen => [...seen]", seen)) >= {"queued", "done"}


def test_where_there_is_no_place_for_a_stream_the_page_asks(
    page: Page, api_url: str, tiles: list[Path]
) -> None:
    with ExitStack() as streams:
        for _ in range(64):
            url = f"{api_url}/events?request_id=00000000-0000-0000-0000-000000000000"
            answer = streams.enter_context(requests.get(url, stream=True, timeout=10))
            if answer.status_code == 503:
                break
        assert answer.status_code == 503
        page.get_by_test_id("files").set_input_files(tiles)
        overview(page, DONE)


def test_a_poison_image_fails_alone_and_says_why(
    page: Page, tiles: list[Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(tiles[0].read_bytes()[:800])
    text = tmp_path / "text.jpg"
    text.write_text("no image at all")
    page.get_by_test_id("files").set_input_files([cut, text, *tiles[:8]])
    overview(page, re.compile(r"^8 of 10 done · 2 failed"))
    expect(page.get_by_role("listitem").filter(has_text="cut.jpg")).to_contain_text("failed")
    refused = page.get_by_role("listitem").filter(has_text="text.jpg")
    expect(refused).to_contain_text("rejected")
    expect(refused).to_contain_text("not an image of an accepted format")
    assert not page.get_by_role("button", name=re.compile("^Retry")).count()  # it would not help


def test_a_file_of_more_bytes_than_are_taken_is_not_even_sent(page: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(b"\xff\xd8" + bytes(11 * 1024 * 1024))
    page.get_by_test_id("files").set_input_files(large)
    expect(page.get_by_role("listitem")).to_contain_text("at most 10485760 are accepted")


def test_a_pasted_image_is_sent(page: Page, tile: bytes) -> None:
    expect(page.get_by_text("up to 10.5 MB each")).to_be_visible()  # so it listens by now
    page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", {type: "image/jpeg"}));
            window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
        }""",
        list(tile),
    )
    overview(page, re.compile("^1 of 1 done"))
    expect(page.get_by_role("listitem")).to_contain_text("pasted.jpg")


def test_what_is_larger_than_a_request_goes_straight_to_s3(
    open_page: Opener, s3_endpoint: str, tmp_path: Path, tile: bytes
) -> None:
    large = tmp_path / "Forest" / "large.png"
    large.parent.mkdir()
    with Image.open(io.BytesIO(tile)) as picture:
        noise = Image.effect_noise((1024, 1024), 90).convert("RGB")  # which PNG cannot shrink
        noise.paste(picture)
        noise.save(large)
    settings = {
        "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/page",
        "SKYLANE_S3_ENDPOINT_URL": s3_endpoint,
        "SKYLANE_MAX_BODY_BYTES": "500000",
        **KEYS,
    }
    assert large.stat().st_size > 500_000
    with Stack(tmp_path / "home", **settings) as stack:
        page = open_page(url=stack.url)
        expect(page.get_by_text("up to 10.5 MB each")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        drop(page, large.parent)
        overview(page, re.compile("^1 of 1 done"))
        assert any(url.startswith(s3_endpoint) for url in asked)
        [row] = requests.get(f"{stack.url}/results", timeout=10).json()["results"]
        assert (row["image_name"], row["true_label"]) == ("Forest/large.png", "Forest")
