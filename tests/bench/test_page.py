"""The page's bench ends with an error, and not with figures of fewer rows than it says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from api import create_app
from bench.browser import ARGUMENTS, chromium
from bench.page import fill, load_all
from settings import Settings


@pytest.fixture
def url_without_a_database(tmp_path: Path) -> Iterator[str]:
    """Serve an API whose database is away."""
    nowhere = Settings(home=tmp_path, images_url=tmp_path.as_uri()).model_copy(
        update={
            "database_url": "postgresql://127.0.0.1:1/none",
            "broker_url": "redis://127.0.0.1:1/0",
        }
    )
    server = make_server("127.0.0.1", 0, create_app(nowhere), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


def test_rows_that_an_api_did_not_take_are_not_measured(url_without_a_database: str) -> None:
    with pytest.raises(RuntimeError, match=r"2 requests .* by \{503: 2\}"):
        fill(url_without_a_database, 200)


def test_a_page_that_never_shows_all_rows_ends_the_bench() -> None:
    try:
        path = chromium()
    except LookupError as error:
        pytest.skip(str(error))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page()
        page.set_content("9,900 in all")
        load_all(page, 9900)
        with pytest.raises(TimeoutError, match="10,000 rows"):
            load_all(page, 10_000, limit_s=0.5)
        browser.close()
