"""A function's environments: who gets one, and when one ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import pytest

from bench.lambda_lane.functions import ScalingRate, Throttled
from bench.lambda_lane.invocations import Invocation, most_at_once
from bench.lambda_lane.limits import LaneLimits
from tests.bench.pools import pool_of, until


def test_an_environment_handles_one_event_at_a_time(tmp_path: Path) -> None:
    with pool_of(tmp_path, concurrency=3) as pool, ThreadPoolExecutor(3) as threads:
        events = [{"sleep_s": sleep_s} for sleep_s in (0.9, 0.6, 0.3)]
        answers = [done.payload for _ in range(2) for done in threads.map(pool.invoke, events)]
        assert len({one["pid"] for one in answers}) == 3
        for one, other in combinations(answers, 2):
            apart = one["ended_s"] <= other["began_s"] or other["ended_s"] <= one["began_s"]
            assert apart or one["pid"] != other["pid"]
        last = max(answers, key=lambda one: float(one["ended_s"]))["pid"]
        after = [pool.invoke({}).payload["pid"] for _ in range(3)]
        assert set(after) == {last}  # who worked last works next
        told = pool.ledger.invocations()
    assert [one.cold for one in told] == [True] * 3 + [False] * 6
    for one in told:
        assert (one.init_ms > 0) is one.cold
        took_ms = one.duration_ms + one.init_ms
        rounded_ms = 0.001  # the two, by at most half of that each; what is billed is not of these
        assert took_ms - rounded_ms <= one.billed_ms < took_ms + rounded_ms + 1


def test_an_event_beyond_the_concurrency_is_throttled(tmp_path: Path) -> None:
    with pool_of(tmp_path, concurrency=1) as pool, ThreadPoolExecutor(1) as threads:
        first = threads.submit(pool.invoke, {"sleep_s": 0.5})
        until(lambda: pool.count() == 1)
        with pytest.raises(Throttled):
            pool.invoke({})
        assert first.result().outcome == "ok"
        assert pool.invoke({}).outcome == "ok"
        assert pool.ledger.throttles() == {"infer": 1}


def test_environments_are_added_no_faster_than_the_scaling_rate() -> None:
    rate = ScalingRate(2, every_s=0.2)
    assert [rate.take() for _ in range(3)] == [True, True, False]
    until(rate.take)


def test_an_idle_environment_is_ended_and_the_next_start_is_cold(tmp_path: Path) -> None:
    with pool_of(tmp_path, keep_alive_s=0.3) as pool:
        first = pool.invoke({}).payload["pid"]
        pool.end_idle()
        assert pool.invoke({}).payload["pid"] == first

        def ended() -> bool:
            pool.end_idle()
            return pool.count() == 0

        until(ended)
        assert pool.invoke({}).payload["pid"] != first
        assert [one.cold for one in pool.ledger.invocations()] == [True, False, True]


def test_an_environment_that_dies_or_is_late_is_thrown_away(tmp_path: Path) -> None:
    with pool_of(tmp_path, timeout_s=1) as pool:
        for told in ({"raise": True}, {"die": True}, {"sleep_s": 30}, {}):
            pool.invoke(told)
        invocations = pool.ledger.invocations()
    assert [one.outcome for one in invocations] == ["error", "died", "timeout", "ok"]
    assert [one.cold for one in invocations] == [True, False, True, True]
    assert 1000 <= invocations[2].duration_ms < 2000


def test_a_start_that_is_late_is_tried_once_more_with_the_time_of_the_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.lambda_lane.pool.INIT_LIMIT_S", 0.5)
    with pool_of(tmp_path, env={"INIT_S": "1"}) as pool:
        assert pool.invoke({}).outcome == "ok"
    with pool_of(tmp_path, env={"INIT_S": "9"}, timeout_s=1) as pool:
        assert pool.invoke({}).outcome == "timeout"
        assert pool.count() == 0
        [invocation] = pool.ledger.invocations()
    assert invocation.cold
    assert (invocation.init_ms > 1500, invocation.duration_ms) == (True, 0)


def test_environments_at_work_are_ended_after_their_event(tmp_path: Path) -> None:
    with pool_of(tmp_path) as pool, ThreadPoolExecutor(1) as threads:
        working = threads.submit(pool.invoke, {"sleep_s": 0.5})
        until(lambda: bool(pool.pids()))
        pool.end_environments()
        assert working.result().outcome == "ok"
        pool.invoke({})
        assert [one.cold for one in pool.ledger.invocations()] == [True, True]


def test_how_many_worked_at_once_is_counted_from_their_starts() -> None:
    def invocation(started_s: float, init_ms: float, duration_ms: float) -> Invocation:
        return Invocation(
            "infer", "infer-1", init_ms > 0, init_ms, duration_ms, 1, 1769, started_s, 1, "ok"
        )

    told = [invocation(0, 1000, 500), invocation(1.4, 0, 1000), invocation(1.5, 0, 500)]
    assert most_at_once(told) == 2
    assert most_at_once([]) == 0


def test_limits_that_aws_refuses_are_refused() -> None:
    for wrong in (
        {"visibility_timeout_s": 29.0},
        {"batch_size": 11},
        {"infer_reserved_concurrency": 0},
    ):
        with pytest.raises(ValueError, match=r"timeout|window|nothing"):
            LaneLimits(**wrong)
