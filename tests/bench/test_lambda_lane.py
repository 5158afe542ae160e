"""The serverless lane on this machine: the real functions, from the front door to the row."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.lambda_lane.bucket import PREFIX, hook_url
from bench.lambda_lane.lane import LambdaLane, running_lane
from bench.lambda_lane.limits import LaneLimits
from local.errors import LocalError
from local.ports import free_ports
from local.s3 import s3_server
from local.stack import embedded
from settings import ROOT, Settings
from store.migrations import migrate
from tests.bench.pools import LIMIT_S, until

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaLane]:
    """Run a lane on stores of ours, whose messages come again soon."""
    folder = tmp_path_factory.mktemp("lane")
    (folder / "s3").mkdir()
    [told_port] = free_ports(1)
    limits = LaneLimits(
        infer_max_concurrency=1, infer_timeout_s=4, visibility_timeout_s=4, sweep_every_s=10
    )
    with (
        pytest.MonkeyPatch.context() as patch,
        embedded(Settings(home=folder / "home")) as (database_url, _),
        s3_server(folder / "s3", hook_url(told_port), PREFIX) as s3_url,
    ):
        migrate(database_url)
        patch.setenv("SKYLANE_STALE_AFTER_S", "1")
        stores = (database_url, s3_url)
        with running_lane(folder, limits, stores=stores, told_port=told_port) as running:
            yield running


def uploaded(lane: LambdaLane, data: bytes, query: str = "") -> dict[str, Any]:
    answer = requests.post(f"{lane.url}/upload{query}", data=data, headers=JPEG, timeout=LIMIT_S)
    assert answer.status_code in (200, 202), answer.text
    row: dict[str, Any] = answer.json()
    return row


def row_of(lane: LambdaLane, request_id: str) -> dict[str, Any]:
    answer = requests.get(f"{lane.url}/results/{request_id}", timeout=LIMIT_S)
    assert answer.status_code == 200, answer.text
    row: dict[str, Any] = answer.json()
    return row


def test_an_upload_through_the_gateway_ends_as_a_row(lane: LambdaLane, tile: bytes) -> None:
    row = uploaded(lane, tile, "?wait=20")
    assert (row["status"], row["predicted_label"], row["lane"]) == ("done", "Forest", "serverless")
    image = requests.get(f"{lane.url}/images/{row['request_id']}", timeout=LIMIT_S)
    assert (image.content, image.headers["content-type"]) == (tile, "image/jpeg")
    [infer] = [one for one in lane.invocations() if one.function == "infer"]
    assert (infer.environment, infer.records, infer.outcome) == (row["worker"], 1, "ok")
    assert infer.cold
    assert infer.billed_ms >= infer.init_ms > 0
    assert infer.memory_mb == 3008
    assert lane.environments()["infer"] == 1
    assert lane.memory_mb()["infer"] > 50


def test_a_form_sent_straight_to_the_bucket_ends_as_a_row(lane: LambdaLane, tile: bytes) -> None:
    asked = {"filename": "tile.jpg"}
    form = requests.post(f"{lane.url}/uploads/presign", json=asked, timeout=LIMIT_S).json()
    files = {"file": ("tile.jpg", tile, "image/jpeg")}
    sent = requests.post(form["url"], data=form["fields"], files=files, timeout=LIMIT_S)
    assert sent.ok, sent.text

    def done() -> bool:  # the function makes the row when the event comes
        answer = requests.get(f"{lane.url}/results/{form['request_id']}", timeout=LIMIT_S)
        return answer.ok and answer.json()["status"] == "done"

    until(done)


def test_what_waits_is_read_in_batches_and_all_of_it_is_done(
    lane: LambdaLane, tiles: list[Path], tmp_path: Path
) -> None:
    until(lambda: lane.queue.hidden() == 0)  # a row is done before its invocation ends
    before = len(lane.invocations())
    rows = [uploaded(lane, path.read_bytes()) for path in tiles[:30]]
    until(lambda: lane.queue.waiting() + lane.queue.hidden() == 0)
    assert {row_of(lane, row["request_id"])["status"] for row in rows} == {"done"}
    infers = [one for one in lane.invocations()[before:] if one.function == "infer"]
    assert sum(one.records for one in infers) == 30
    assert all(1 <= one.records <= 10 for one in infers)
    lane.write_invocations(tmp_path / "told.csv")
    with (tmp_path / "told.csv").open() as file:
        told = list(csv.DictReader(file))
    assert len(told) >= before + len(infers) + 30
    assert {"function", "cold", "init_ms", "billed_ms"} <= told[0].keys()


def test_a_killed_environment_loses_no_image(lane: LambdaLane, tile: bytes) -> None:
    uploaded(lane, tile, "?wait=20")
    [pid] = lane.pids("infer")
    until(lambda: lane.queue.waiting() + lane.queue.hidden() == 0)
    before = len(lane.invocations())
    os.kill(pid, signal.SIGSTOP)  # so that it has the event in hand, and does nothing with it
    row = uploaded(lane, tile)
    until(lambda: lane.queue.hidden() == 1)
    os.kill(pid, signal.SIGKILL)
    until(lambda: row_of(lane, row["request_id"])["status"] == "done")
    until(lambda: lane.queue.waiting() + lane.queue.hidden() == 0)  # the sweep may be first
    told = [one for one in lane.invocations()[before:] if one.function == "infer"]
    # One more, if the sweep and the queue both had it done.
    assert [(one.outcome, one.cold) for one in told[:2]] == [("died", False), ("ok", True)]
    assert all(one.outcome == "ok" for one in told[2:])
    assert lane.dead_letters() == []


def test_after_the_end_of_all_environments_the_next_request_is_cold(
    lane: LambdaLane,
) -> None:
    requests.get(f"{lane.url}/health", timeout=LIMIT_S)
    lane.end_environments()
    assert lane.environments()["api"] == 0
    assert requests.get(f"{lane.url}/health", timeout=LIMIT_S).status_code == 200
    last = [one for one in lane.invocations() if one.function == "api"][-2:]
    assert [one.cold for one in last] == [False, True]


def test_the_sweep_runs_by_itself(lane: LambdaLane) -> None:
    until(lambda: [one for one in lane.invocations() if one.function == "sweep"])
    [sweep, *_] = [one for one in lane.invocations() if one.function == "sweep"]
    assert (sweep.outcome, sweep.cold, sweep.records) == ("ok", True, 1)


def test_a_store_that_tells_of_nothing_is_refused(
    lane: LambdaLane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.lambda_lane.bucket.TOLD_WITHIN_S", 0.3)
    stores = (lane.database_url, lane.s3_url)  # which tells the other lane
    with (
        pytest.raises(LocalError, match="does not tell this lane"),
        running_lane(tmp_path, LaneLimits(), stores=stores),
    ):
        pass


def test_the_command_runs_it_and_says_what_it_did(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.lambda_lane", "--port=0", "--add-published"]
    command += [f"--csv={tmp_path / 'told.csv'}", "--concurrency=2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = next(line.split()[1] for line in process.stdout if line.startswith("  API "))
        assert requests.get(f"{url}/health", timeout=LIMIT_S).status_code == 200
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert "api    1 invocations, 0 failed, 1 cold starts" in rest
    assert "NOT measured here" in rest
    assert len((tmp_path / "told.csv").read_text().splitlines()) == 2
