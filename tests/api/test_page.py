"""The page is served beside the API, and neither is in the other's way."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from api import create_app
from api.page import POLICY, YEAR_S
from settings import Settings

SCRIPT = "/assets/index-0b1c2d3e.js"
INDEX = f'<!doctype html><script type="module" src=".{SCRIPT}"></script>'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a folder with a page in it, compressed as a build compresses it."""
    folder = tmp_path / "dist"
    for name, text in (
        ("index.html", INDEX),
        (SCRIPT[1:], "console.log('a page');" * 100),
        ("icon.svg", '<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("config.json", '{"apis": "of a page that is served from elsewhere"}'),
        ("health", "not well"),
        ("upload", "not a route for those who look at it"),
        ("results/index.html", "not the results"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run(
        [sys.executable, "-m", "whitenoise.compress", "--quiet", folder / "assets"], check=True
    )
    return folder


@pytest.fixture
def client(tmp_path: Path, database_url: str, broker_url: str) -> Callable[..., Any]:
    """Return a function that makes a client of an API with such a folder."""

    def made(folder: Path, **chosen: Any) -> Any:
        own = Settings(home=tmp_path / "home", ui=folder, images_url=tmp_path.as_uri(), **chosen)
        addresses = {"database_url": database_url, "broker_url": broker_url}
        return create_app(own.model_copy(update=addresses)).test_client()

    return made


def test_the_page_is_at_the_root_and_is_asked_for_each_time(
    client: Callable[..., Any], built: Path
) -> None:
    asked = client(built)
    answer = asked.get("/")
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert {name: answer.headers[name] for name in POLICY} == POLICY
    head = asked.head("/")
    assert (head.status_code, head.data) == (200, b"")
    again = asked.get("/", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_what_is_hashed_is_kept_for_a_year_and_comes_compressed(
    client: Callable[..., Any], built: Path
) -> None:
    asked = client(built)
    answer = asked.get(SCRIPT, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == f"public, max-age={YEAR_S}, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert re.match("(text|application)/javascript", answer.headers["Content-Type"])
    assert answer.data == (built / f"{SCRIPT[1:]}.gz").read_bytes()
    assert asked.get(SCRIPT).data == (built / SCRIPT[1:]).read_bytes()
    assert asked.get("/icon.svg").headers["Cache-Control"] == "no-cache"


def test_no_file_takes_the_place_of_a_route(client: Callable[..., Any], built: Path) -> None:
    asked = client(built)
    assert asked.get("/health").json == {"status": "ok"}
    assert asked.get("/results").json["results"] == []
    assert asked.get("/config.json").json["apis"][0]["name"] == "on-prem"
    for path, status in (("/health", 200), ("/results", 200), ("/upload", 405)):
        head = asked.head(path)
        assert (head.status_code, "json" in head.mimetype) == (status, True)
    assert asked.get("/upload").json["code"] == "method_not_allowed"
    assert asked.post("/upload").json["code"] != "method_not_allowed"
    assert asked.get("/nothing").json["code"] == "not_found"
    assert asked.get("/assets/../../secret").status_code == 404


def test_an_api_with_a_page_still_counts_and_logs_what_it_answers(
    client: Callable[..., Any], built: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = client(built)
    with caplog.at_level("INFO", logger="api.access"):
        asked.get("/")
        asked.get("/stats")
    assert "GET /stats 200" in caplog.text
    assert re.search('route="/stats",status="200"} [1-9]', asked.get("/metrics").text)


@pytest.mark.parametrize("folder", ["nowhere", ""])
def test_a_page_that_was_not_built_says_how_to_build_it(
    client: Callable[..., Any], tmp_path: Path, folder: str
) -> None:
    asked = client(tmp_path / folder)
    answer = asked.get("/")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "ui/build" in answer.text
    assert "./run" in answer.text
    for link in re.findall('href="([^"]+)"', answer.text):
        assert asked.get(f"/{link}").status_code == 200
    assert asked.head("/").status_code == 200
    assert "/" not in asked.get("/openapi/openapi.json").json["paths"]


def test_the_cloud_serves_no_page(client: Callable[..., Any], built: Path) -> None:
    assert client(built, lane="serverless", access="open").get("/").status_code == 404


def test_all_that_the_page_names_comes_from_the_server_that_users_run(api_url: str) -> None:
    page = requests.get(api_url, timeout=30)
    assert (page.status_code, page.headers["Content-Type"][:9]) == (200, "text/html")
    assert page.headers["Content-Security-Policy"] == POLICY["Content-Security-Policy"]
    named = re.findall(r'(?:src|href)="\.?/?([^":]+)"', page.text)
    assert named
    for path in named:
        answer = requests.get(f"{api_url}/{path}", timeout=30)
        assert answer.status_code == 200, path
        assert len(answer.content) > 0
