"""`skylane classify` when the way to the API is not smooth."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import environment, skylane
from tests.cli.proxy import Proxy

TILES = Path(__file__).parents[1] / "data" / "eurosat"


def classify(url: str, out: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """Classify all tiles in five batches; return the process and the rows."""
    ended = skylane(
        "classify", str(TILES), "--url", url, "--batch-size", "10", "--json", str(out), *options
    )
    return ended, json.loads(out.read_text())


def test_a_busy_api_is_tried_again_when_it_says(api_url: str, tmp_path: Path) -> None:
    with Proxy(api_url, ["busy", "busy", "busy", "none"]) as proxy:
        ended, rows = classify(proxy.url, tmp_path / "rows.json")
    assert ended.returncode == 0, ended.stderr
    assert {row["status"] for row in rows} == {"done"}
    assert proxy.uploads == 5


def test_a_first_question_that_came_too_soon_is_asked_again(api_url: str, tmp_path: Path) -> None:
    with Proxy(api_url, busy_questions=2) as proxy:
        ended, rows = classify(proxy.url, tmp_path / "rows.json")
    assert ended.returncode == 0, ended.stderr
    assert {row["status"] for row in rows} == {"done"}


def test_an_api_that_lets_nobody_in_is_given_up_with_what_to_do(api_url: str) -> None:
    with Proxy(api_url, busy_questions=1000) as proxy:
        ended = skylane("classify", str(TILES), "--url", proxy.url, "--timeout", "0.5")
    assert ended.returncode == 1
    assert "lets nobody in now: More than 1 request.\n" in ended.stderr
    assert "--timeout" in ended.stderr
    assert "Is Skylane running" not in ended.stderr


def test_a_password_of_netrc_takes_no_keys_place(api_url: str, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login operator password hunter2")
    with Proxy(api_url) as proxy:
        own = {"NETRC": str(netrc), "SKYLANE_API_KEY": " a-key\r\n"}
        ended = skylane("classify", str(TILES / "Forest"), "--url", proxy.url, **own)
    assert ended.returncode == 0, ended.stderr
    assert proxy.authorizations == {"Bearer a-key"}


@pytest.mark.parametrize("key", ["skl_hunter2\rx", "skl_hunter2\x7f", "skl_hünter2"])
def test_a_key_that_no_header_can_have_is_told_in_a_line(key: str) -> None:
    ended = skylane("classify", str(TILES), "--url", "http://127.0.0.1:1", SKYLANE_API_KEY=key)
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: SKYLANE_API_KEY")
    assert len(ended.stderr.splitlines()) == 1
    assert "nter2" not in ended.stderr


def test_an_api_that_stays_busy_is_given_up(api_url: str, tmp_path: Path) -> None:
    with Proxy(api_url, ["none", "busy"]) as proxy:
        ended, rows = classify(proxy.url, tmp_path / "rows.json", "--timeout", "1")
    assert ended.returncode == 1
    assert sum(row["status"] == "done" for row in rows) == 10
    assert {row["error_code"] for row in rows if row["status"] == "not_sent"} == {"busy"}
    assert "does not accept images: busy" in ended.stderr


def test_what_may_have_arrived_is_not_sent_again(api_url: str, tmp_path: Path) -> None:
    with Proxy(api_url, ["lost", "none"]) as proxy:
        ended, rows = classify(proxy.url, tmp_path / "rows.json")
    assert ended.returncode == 1
    assert sum(row["status"] == "unanswered" for row in rows) == 10
    assert sum(row["status"] == "done" for row in rows) == 40
    assert proxy.uploads == 5


def test_results_that_come_later_are_asked_for(api_url: str, tmp_path: Path) -> None:
    with Proxy(api_url, ["late"]) as proxy:
        ended, rows = classify(proxy.url, tmp_path / "rows.json")
    assert ended.returncode == 0, ended.stderr
    assert all(row["status"] == "done" and row["latency_ms"] for row in rows)
    assert len(rows) == 50


def test_a_batch_beyond_the_servers_limit_is_divided(api_url: str, tmp_path: Path) -> None:
    with Proxy(api_url, max_body=20_000) as proxy:
        ended, rows = classify(proxy.url, tmp_path / "rows.json")
    assert ended.returncode == 0, ended.stderr
    assert len({row["request_id"] for row in rows}) == 50
    assert proxy.uploads > 5


def test_a_silent_api_ends_the_run_in_time(api_url: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with Proxy(api_url, ["silent"]) as proxy:
        ended, rows = classify(proxy.url, tmp_path / "rows.json", "--timeout", "1")
    assert ended.returncode == 1
    assert time.monotonic() - started < 30
    assert {row["status"] for row in rows} == {"unanswered"}
    assert "10 of 50 files were not sent" in ended.stderr


@pytest.mark.parametrize("interrupts", [1, 2])
def test_an_interrupt_tells_what_was_done(api_url: str, tmp_path: Path, interrupts: int) -> None:
    out = tmp_path / "rows.json"
    with Proxy(api_url, ["none", "none", "silent"]) as proxy:
        arguments = ["--url", proxy.url, "--batch-size", "10", "--json", str(out)]
        command = subprocess.Popen(
            [sys.executable, "-m", "cli", "classify", str(TILES), *arguments],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert proxy.silent.wait(30)
        for _ in range(interrupts):
            command.send_signal(signal.SIGINT)
            time.sleep(0.3)
        stdout, stderr = command.communicate(timeout=30)
    assert command.returncode == 130
    assert "Traceback" not in stderr
    rows = json.loads(out.read_text())
    if interrupts == 1:
        assert ": 20 done" in stdout
        assert "Stopped: interrupted" in stderr
        assert sum(row["status"] == "done" for row in rows) == 20
        assert {row["status"] for row in rows} == {"done", "unanswered"}
