"""From the bucket through the queue to a function, or to the dead letters."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.lambda_lane.bucket import event_of
from bench.lambda_lane.functions import Done
from bench.lambda_lane.limits import LaneLimits
from bench.lambda_lane.mapping import EventSourceMapping, failures
from bench.lambda_lane.pool import Pool
from bench.lambda_lane.queue import Queue
from tests.bench.pools import pool_of, until


@contextmanager
def mapped(folder: Path, limits: LaneLimits, concurrency: int = 10) -> Iterator[tuple[Queue, Pool]]:
    queue = Queue(limits.visibility_timeout_s, limits.max_receive_count)
    with (
        pool_of(folder, concurrency=concurrency, timeout_s=limits.infer_timeout_s) as pool,
        EventSourceMapping(queue, pool, limits),
    ):
        yield queue, pool


def test_a_message_that_fails_comes_again_and_ends_as_a_dead_letter(tmp_path: Path) -> None:
    limits = LaneLimits(infer_timeout_s=1, visibility_timeout_s=1, max_receive_count=2)
    with mapped(tmp_path, limits) as (queue, pool):
        queue.send('{"raise": true}')
        until(lambda: bool(queue.dead_letters()))
        [dead] = queue.dead_letters()
        assert (dead.body, dead.receives) == ('{"raise": true}', 2)
        assert [one.outcome for one in pool.ledger.invocations()] == ["error", "error"]
        assert queue.waiting() == queue.hidden() == 0


def test_of_a_batch_only_what_failed_comes_again(tmp_path: Path) -> None:
    limits = LaneLimits(
        infer_timeout_s=1,
        visibility_timeout_s=1,
        max_receive_count=2,
        pollers_at_first=1,
        pollers_more_per_minute=0,
    )
    with mapped(tmp_path, limits) as (queue, pool):
        queue.send('{"sleep_s": 0.3}')  # while it is at work the others gather
        until(lambda: queue.hidden() == 1)
        for number in range(5):
            queue.send(json.dumps({"bad": number == 3}))
        until(lambda: bool(queue.dead_letters()))
        assert [one.body for one in queue.dead_letters()] == ['{"bad": true}']
        assert [one.records for one in pool.ledger.invocations()] == [1, 5, 1]


def test_a_throttled_batch_is_tried_again_and_not_lost(tmp_path: Path) -> None:
    limits = LaneLimits(batch_size=1, infer_timeout_s=10, visibility_timeout_s=60)
    with mapped(tmp_path, limits, concurrency=1) as (queue, pool):
        for _ in range(3):
            queue.send('{"sleep_s": 0.2}')
        until(lambda: queue.waiting() + queue.hidden() == 0)
        assert [one.outcome for one in pool.ledger.invocations()] == ["ok"] * 3
        assert pool.ledger.throttles()["infer"] > 0
        assert queue.dead_letters() == []


def test_more_read_the_queue_while_messages_wait_and_never_more_than_allowed(
    tmp_path: Path,
) -> None:
    limits = LaneLimits(
        batch_size=1,
        pollers_at_first=1,
        pollers_more_per_minute=600,
        infer_max_concurrency=3,
        infer_timeout_s=10,
    )
    with mapped(tmp_path, limits) as (queue, pool):
        for _ in range(20):
            queue.send('{"sleep_s": 0.2}')
        until(lambda: pool.count() == 3)
        until(lambda: queue.waiting() + queue.hidden() == 0)
        assert pool.count() == 3
        assert pool.ledger.throttles() == {}


def test_a_window_gathers_a_batch(tmp_path: Path) -> None:
    limits = LaneLimits(batch_size=3, batch_window_s=5, pollers_at_first=1)
    with mapped(tmp_path, limits) as (queue, pool):
        for _ in range(3):
            queue.send("{}")
            time.sleep(0.05)
        until(lambda: bool(pool.ledger.invocations()))
        assert [one.records for one in pool.ledger.invocations()] == [3]


@pytest.mark.parametrize(
    ("done", "failed"),
    [
        (Done("ok", None), set()),
        (Done("ok", {}), set()),
        (Done("ok", {"batchItemFailures": None}), set()),
        (Done("ok", {"batchItemFailures": []}), set()),
        (Done("ok", {"batchItemFailures": [{"itemIdentifier": "a"}]}), {"a"}),
        (Done("ok", {"batchItemFailures": [{"itemIdentifier": None}]}), {"a", "b"}),
        (Done("ok", {"batchItemFailures": [{"itemIdentifier": "c"}]}), {"a", "b"}),
        (Done("ok", {"batchItemFailures": [{"wrong": "a"}]}), {"a", "b"}),
        (Done("ok", "no report"), {"a", "b"}),
        (Done("error", {"batchItemFailures": []}), {"a", "b"}),
    ],
)
def test_failures_are_read_as_lambda_reads_them(done: Done, failed: set[str]) -> None:
    assert failures(done, ["a", "b"]) == failed


def record_of(told: dict[str, Any]) -> Any:
    event = event_of(told)
    assert event
    [record] = event["Records"]
    return record["s3"]


def test_an_event_of_the_bucket_is_written_as_s3_writes_it() -> None:
    entry: dict[str, Any] = {
        "attributes": {"file_size": 7, "md5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
        "extended": {"Seaweed-X-Amz-ETag": "YWJj"},
    }
    told = {"key": "/buckets/tiles/images/River & Sea, Mü.jpg", "message": {"new_entry": entry}}
    stored = record_of(told)["object"]
    assert stored["key"] == "images/River+%26+Sea%2C+M%C3%BC.jpg"
    assert (stored["eTag"], stored["size"]) == ("abc", 7)
    del entry["extended"]
    later = record_of(told)["object"]
    assert later["eTag"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert later["sequencer"] > stored["sequencer"]
    assert event_of({**told, "key": "/buckets/tiles/models/x.zip"}) is None
    assert event_of({**told, "message": {"old_entry": entry}}) is None
    assert event_of({**told, "message": {"new_entry": {**entry, "is_directory": True}}}) is None
