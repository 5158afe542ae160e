"""Answers say to browsers and caches what they are for."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from api import create_app
from api.headers import ALWAYS
from settings import Settings
from store.database import Database
from store.keys import Keys

HTML = b"<html><script>alert(1)</script></html>"


@pytest.fixture
def make(tmp_path: Path, database_url: str, broker_url: str) -> Callable[..., Any]:
    """Return a function that makes a client of an API with such settings."""

    def made(**chosen: Any) -> Any:
        own = Settings(home=tmp_path, images_url=tmp_path.as_uri(), ui=tmp_path / "none", **chosen)
        addresses = {"database_url": database_url, "broker_url": broker_url}
        return create_app(own.model_copy(update=addresses)).test_client()

    return made


SHOWN = ("/", "/health", "/results", "/results.csv", "/nothing", "/results/x", "/openapi/swagger")


def test_every_answer_has_them(make: Callable[..., Any]) -> None:
    for asked, path in product((make(), make(access="keys")), SHOWN):
        answer = asked.get(path)
        assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS, path
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy.partition("style-src")[0]  # where scripts are


def test_data_may_load_nothing(make: Callable[..., Any]) -> None:
    policy = make().get("/results").headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


def test_a_page_that_tries_the_api_out_may_run_its_own_scripts_alone(
    make: Callable[..., Any],
) -> None:
    answer = make().get("/openapi/swagger")
    [script] = re.findall(rb"<script>(.*?)</script>", answer.data, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    [allowed] = re.findall("script-src ([^;]*)", answer.headers["Content-Security-Policy"])
    assert allowed == f"'self' 'sha256-{digest}'"
    for source in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
        assert not source.startswith(("http", "//")), source


def test_tls_in_front_is_kept_to(make: Callable[..., Any]) -> None:
    asked = make(access="open")
    assert "Strict-Transport-Security" not in asked.get("/health").headers
    behind = asked.get("/health", headers={"X-Forwarded-Proto": "https"})
    assert behind.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_no_cache_keeps_data_for_those_without_a_key(
    make: Callable[..., Any], database: Database, tile: bytes
) -> None:
    told = {"X-API-Key": Keys(database).create("camera").text}
    asked = make(access="keys")
    for path in ("/results", "/about", "/results.csv"):
        for answer in (asked.get(path, headers=told), asked.get(path)):
            assert answer.headers["Cache-Control"] == "no-store"
    sent = asked.post("/upload?wait=0", data=tile, headers={**told, "Content-Type": "image/jpeg"})
    assert sent.headers["Cache-Control"] == "no-store"
    image = asked.get(f"/images/{sent.json['request_id']}", headers=told)
    assert image.headers["Cache-Control"].startswith("private,")  # this browser's own
    assert "X-API-Key, Authorization" in image.headers.getlist("Vary")


def test_an_image_that_is_a_page_too_is_served_as_an_image(
    make: Callable[..., Any], tile: bytes
) -> None:
    asked = make()
    polyglot = tile + HTML
    for type_sent in ("image/jpeg", "text/html", "image/svg+xml"):
        form = {"file": (io.BytesIO(polyglot), "page.html", type_sent)}
        sent = asked.post("/upload?wait=0", data=form)
        assert sent.status_code == 202
        image = asked.get(f"/images/{sent.json['request_id']}")
        assert (image.data, image.headers["Content-Type"]) == (polyglot, "image/jpeg")
        assert image.headers["X-Content-Type-Options"] == "nosniff"
        assert image.headers["Content-Disposition"] == "inline"
        assert image.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_page_that_is_no_image_is_not_accepted(make: Callable[..., Any]) -> None:
    for data in (HTML, b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'):
        answer = make().post("/upload?wait=0", data=data, headers={"Content-Type": "image/jpeg"})
        assert answer.status_code == 415
