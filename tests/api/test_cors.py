"""A page from elsewhere may use this API if it is on the list, and no other page may."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api import create_app
from settings import ROOT, Settings

PAGE = "https://page.example"
LOCAL = "http://[::1]:5173"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
def client(tmp_path: Path, database_url: str, broker_url: str) -> Any:
    """Return a function that makes a client of an API with such settings."""

    def made(**chosen: Any) -> Any:
        addresses = {"database_url": database_url, "broker_url": broker_url}
        own = Settings(home=tmp_path, images_url=tmp_path.as_uri(), **chosen)
        return create_app(own.model_copy(update=addresses)).test_client()

    return made


def test_a_listed_page_may_ask_and_read_what_it_needs(client: Any) -> None:
    asked = client(cors_origins=f"{PAGE}, {LOCAL}")
    for origin in (PAGE, LOCAL):
        for path, status in (("/results", 200), ("/results/x", 422), ("/nothing", 404)):
            answer = asked.get(path, headers={"Origin": origin})
            assert (answer.status_code, answer.headers[ALLOWED]) == (status, origin)
            exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"Location", "Retry-After", "RateLimit", "WWW-Authenticate"} < set(exposed)
            assert "Origin" in answer.headers["Vary"]  # no cache gives it to another page


def test_a_browser_may_send_what_the_api_takes(client: Any) -> None:
    preflight = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization, content-type, prefer, x-api-key",
    }
    # Which carries no key itself.
    asked = client(cors_origins=PAGE, access="keys")
    for path in ("/upload", "/results/0b1c2d3e-0000-4000-8000-000000000000"):
        answer = asked.options(path, headers=preflight)
        assert answer.headers[ALLOWED] == PAGE
        assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
        allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
        assert allowed == ["authorization", "content-type", "prefer", "x-api-key"]


def test_a_listed_page_can_read_why_it_is_refused(client: Any) -> None:
    answer = client(cors_origins=PAGE, access="keys").get("/results", headers={"Origin": PAGE})
    assert (answer.status_code, answer.json["code"]) == (401, "missing_key")
    assert answer.headers[ALLOWED] == PAGE


@pytest.mark.parametrize(
    "origin",
    [
        f"{PAGE}.evil.example",
        "https://pageXexample",
        "http://page.example",
        f"{PAGE}:444",
        "null",
    ],
)
def test_a_page_that_is_not_listed_may_not(client: Any, origin: str) -> None:
    answer = client(cors_origins=PAGE).get("/health", headers={"Origin": origin})
    assert ALLOWED not in answer.headers


def test_all_may_where_all_are_allowed_and_none_if_nothing_is_said(client: Any) -> None:
    headers = {"Origin": PAGE}
    assert client(cors_origins="*").get("/health", headers=headers).headers[ALLOWED] == "*"
    assert ALLOWED not in client().get("/health", headers=headers).headers
    cloud = client(cors_origins=PAGE, lane="serverless")  # where API Gateway says so
    assert ALLOWED not in cloud.get("/health", headers=headers).headers


@pytest.mark.parametrize("origins", ["page.example", f"{PAGE}/", f"{PAGE}/app", f"*,{PAGE}", ","])
def test_what_is_no_origin_is_found_at_the_start(origins: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(cors_origins=origins)


def test_who_allows_nobody_loads_nothing_for_it() -> None:
    script = "import api, sys; api.create_app(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "flask_cors" not in loaded
