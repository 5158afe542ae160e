"""Where no keys are asked for because only this machine is served, nobody else is."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from settings import Settings


def test_without_keys_only_this_machine_is_served(make: Callable[..., Any]) -> None:
    local, to_all = make().test_client(), make(access="open").test_client()
    for name, value, status in (
        ("Accept", "*/*", 200),
        ("Host", "127.0.0.1:8000", 200),
        ("Host", "[::1]:8000", 200),
        ("Host", "skylane.localhost", 200),
        ("Host", "evil.example", 403),  # whose name leads here, in a browser of this machine
        ("Host", "127.0.0.1.evil.example:8000", 403),
        ("Host", "[127.0.0.1", 403),
        ("X-Forwarded-For", "198.51.100.7", 403),
        ("Forwarded", "for=198.51.100.7", 403),
        ("X-Real-IP", "198.51.100.7", 403),
        ("X-Forwarded-Host", "skylane.example", 403),
        ("X-Forwarded-Proto", "https", 403),
        ("X-Forwarded-Port", "443", 403),
        ("x-forwarded-prefix", "/skylane", 403),
        ("Via", "1.1 proxy", 403),
        ("X-Viator", "on foot", 200),
    ):
        answer = local.get("/results", headers={name: value})
        assert answer.status_code == status, (name, value)
        assert status == 200 or answer.json["code"] == "not_local"
        assert to_all.get("/results", headers={name: value}).status_code == 200


PAGE = "https://page.example"


def test_without_keys_a_page_from_elsewhere_sends_no_form(
    make: Callable[..., Any], tile: bytes
) -> None:
    local, listed = make(), make(cors_origins=f"https://a.example, {PAGE}")
    for app, sent, status in (
        (local, {}, 202),  # by no browser
        (local, {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}, 202),
        (local, {"Origin": "http://localhost:5173", "Sec-Fetch-Site": "same-site"}, 202),
        (local, {"Origin": "http://127.0.0.1:9000", "Sec-Fetch-Site": "cross-site"}, 202),
        (local, {"Sec-Fetch-Site": "none"}, 202),
        (local, {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}, 403),
        (local, {"Origin": "https://localhost.evil.example"}, 403),
        (local, {"Origin": "https://evil.example#localhost"}, 403),
        (local, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),  # a sandbox, a file
        (local, {"Sec-Fetch-Site": "cross-site"}, 403),
        (listed, {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}, 202),
        (listed, {"Origin": f"{PAGE}.evil.example"}, 403),
        (make(cors_origins="*"), {"Origin": PAGE}, 202),
        (make(access="open"), {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}, 202),
    ):
        asked = app.test_client()
        form = {"file": (io.BytesIO(tile), "a.jpg")}
        answer = asked.post("/upload?wait=0", data=form, headers=sent)
        assert answer.status_code == status, sent
        assert status == 202 or answer.json["code"] == "foreign_page"
        assert asked.get("/results", headers=sent).status_code == 200  # no other page can read it


@pytest.mark.parametrize(
    ("chosen", "required"),
    [
        ({}, False),
        ({"host": "localhost"}, False),
        ({"host": "::1"}, False),
        ({"host": "127.8.9.10"}, False),
        ({"host": "0.0.0.0"}, True),  # noqa: S104
        ({"host": "::"}, True),
        ({"host": ""}, True),
        ({"host": "10.0.0.5"}, True),
        ({"host": "a-name-of-loopback"}, True),
        ({"lane": "serverless"}, True),
        ({"access": "keys"}, True),
        ({"host": "0.0.0.0", "access": "open"}, False),  # noqa: S104
        ({"lane": "serverless", "access": "open"}, False),
    ],
)
def test_keys_are_required_unless_only_this_machine_is_served(
    chosen: dict[str, Any], required: bool
) -> None:
    assert Settings(**chosen).keys_required == required
