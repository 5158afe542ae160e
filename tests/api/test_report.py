"""The bench's report is served as it was written, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import create_app
from settings import Settings

REPORT: dict[str, Any] = {
    "format": "skylane-report/1",
    "made_at": "2026-01-01T00:00:00Z",
    "machine": "two cores",
    "commands": [],
    "verdict": None,
    "load": [],
    "bursts": [],
    "cold_starts": [],
    "costs": [],
    "break_even_per_s": None,
}


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """Return a client of an API whose home is ``tmp_path``."""
    return create_app(Settings(home=tmp_path)).test_client()


def written(folder: Path, report: dict[str, Any]) -> None:
    (folder / "report.json").write_text(json.dumps(report))


def told(client: FlaskClient) -> tuple[int, str]:
    answer = client.get("/report.json")
    return answer.status_code, answer.get_json()["code"]


def test_the_report_is_what_the_bench_wrote(client: FlaskClient, tmp_path: Path) -> None:
    written(tmp_path, REPORT)
    assert client.get("/report.json").json == REPORT


def test_without_one_there_is_none(client: FlaskClient) -> None:
    assert told(client) == (404, "no_report")


def test_a_report_that_a_page_could_not_show_is_told_as_bad(
    client: FlaskClient, tmp_path: Path
) -> None:
    written(tmp_path, {**REPORT, "load": [{"lane": "on-prem"}]})
    assert told(client) == (500, "bad_report")
    (tmp_path / "report.json").write_bytes(b"\xff{")
    assert told(client) == (500, "bad_report")
