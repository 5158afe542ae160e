"""What fails on the lane's own threads costs no capacity, and is raised at the end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.lambda_environment import LambdaEnvironment
from bench.lambda_lane.bucket import Bucket
from bench.lambda_lane.functions import Done
from bench.lambda_lane.lane import repeated, running_lane
from bench.lambda_lane.limits import LaneLimits
from bench.lambda_lane.mapping import EventSourceMapping
from bench.lambda_lane.pool import Pool
from bench.lambda_lane.queue import Queue
from bench.lambda_lane.trouble import LaneError, Trouble
from tests.bench.pools import pool_of, until


def failing(*_: object, **__: object) -> Any:
    raise RuntimeError("a mistake")


def test_a_poller_outlives_what_it_did_not_expect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = LaneLimits(
        batch_size=1,
        pollers_at_first=2,
        pollers_more_per_minute=0,
        infer_timeout_s=1,
        visibility_timeout_s=1,
    )
    queue, trouble = Queue(1, 10), Trouble()
    with pool_of(tmp_path) as pool:
        invoke = pool.invoke
        failed: list[Any] = []

        def invoked(event: Any, **others: Any) -> Done:
            if len(failed) < 4:  # each of the two, twice
                failed.append(event)
                failing()
            return invoke(event, **others)

        monkeypatch.setattr(pool, "invoke", invoked)
        with EventSourceMapping(queue, pool, limits, trouble):
            for _ in range(8):
                queue.send('{"sleep_s": 0.3}')
            until(lambda: queue.waiting() + queue.hidden() == 0)
        assert pool.count() == 2  # both were at work after all that
    assert len(failed) == 4
    assert queue.dead_letters() == []
    with pytest.raises(LaneError, match=r"event source mapping failed: .*a mistake") as told:
        trouble.tell()
    assert isinstance(told.value.__cause__, RuntimeError)


def test_what_an_invocation_did_not_expect_gives_its_place_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble()
    with pool_of(tmp_path, concurrency=1, trouble=trouble) as pool:
        with monkeypatch.context() as patched:
            patched.setattr(LambdaEnvironment, "invoke", failing)
            assert pool.invoke({}).outcome == "died"
            assert pool.invoke({}, within_s=30).outcome == "died"
        assert pool.count() == 0
        assert pool.invoke({}).outcome == "ok"
    with pytest.raises(LaneError, match="invocation of infer"):
        trouble.tell()


def test_the_first_failure_is_told_and_what_is_repeated_goes_on() -> None:
    trouble, done = Trouble(), []

    def work() -> None:
        done.append(1)
        raise ValueError(f"number {len(done)}")

    with repeated("schedule", work, 0.01, trouble):
        until(lambda: len(done) > 2)
    with pytest.raises(LaneError, match=r"schedule failed: ValueError\('number 1'\)"):
        trouble.tell()


def test_who_leaves_the_lane_is_told_unless_something_else_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bucket, "try_it", lambda *_: None)  # no store is needed here
    ended: list[Pool] = []

    def end_idle(pool: Pool) -> None:
        ended.append(pool)
        failing()

    monkeypatch.setattr(Pool, "end_idle", end_idle)
    limits, stores = LaneLimits(keep_alive_s=0.1), ("postgresql://", "http://127.0.0.1:9")
    with (
        pytest.raises(LaneError, match="idle expiry failed"),
        running_lane(tmp_path, limits, stores=stores),
    ):
        until(lambda: ended)
    ended.clear()

    def run() -> None:
        with running_lane(tmp_path, limits, stores=stores):
            until(lambda: ended)
            raise KeyError("another")

    with pytest.raises(KeyError, match="another"):
        run()


def test_what_is_still_starting_is_ended_with_the_pool(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with ThreadPoolExecutor(1) as threads:
        with pool_of(tmp_path, env={"INIT_S": "60"}) as pool:
            asked = threads.submit(pool.invoke, {})
            until(lambda: set(psutil.Process().children()) - before)
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 10
        assert asked.result().outcome == "died"
    assert set(psutil.Process().children()) <= before


def test_what_has_started_too_late_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(psutil.Process().children())
    monkeypatch.setattr("bench.lambda_lane.pool.CLOSE_WITHIN_S", 0.01)
    monkeypatch.setattr(LambdaEnvironment, "give_up", lambda _: None)
    with ThreadPoolExecutor(1) as threads:
        with pool_of(tmp_path, env={"INIT_S": "1"}) as pool:
            asked = threads.submit(pool.invoke, {})
            until(lambda: set(psutil.Process().children()) - before)
        assert asked.result().outcome == "died"
    assert set(psutil.Process().children()) <= before
