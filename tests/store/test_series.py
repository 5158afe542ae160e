"""What was finished is told over time: all of it, once, and how long it took to within 5 %."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from store.compaction import LOCK_ID
from store.database import Database, connect
from store.predictions import Predictions
from store.records import NewPrediction, Outcome
from store.references import Reference
from store.series import FORGOTTEN_AFTER_S, Series, step_of
from store.statistics import Statistics

Accept = Callable[..., list[Reference]]
HOUR_S, DAY_S = 3600, 86400
SHARES = (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99))


def outcome(reference: Reference, failed: bool = False) -> Outcome:
    if failed:
        return Outcome(*reference, error_code="truncated_image")
    return Outcome(*reference, predicted_label="Forest", confidence=1.0)


def totals(database: Database, span_s: float = HOUR_S) -> tuple[int, int]:
    _, points = Series(database).points(span_s)
    return sum(point["done"] for point in points), sum(point["failed"] for point in points)


def append(database: Database, slot_at: str, rows: int = 1) -> None:
    """Count some as done in a slot, an SQL expression."""
    database.query(
        f"INSERT INTO prediction_series_added VALUES ({slot_at}, 'on-prem', 'done', 40, %s)",  # noqa: S608
        (rows,),
    )


def waiting(database: Database) -> int:
    """Return how many rows are yet to be added up."""
    [appended] = database.query("SELECT count(*) AS rows FROM prediction_series_added")
    return int(appended["rows"])


def later(database: Database, seconds: float) -> None:
    """Let time pass, as far as the series knows."""
    for table in ("prediction_series", "prediction_series_added"):
        database.query(
            f"UPDATE {table} SET slot_at = slot_at - make_interval(secs => %s)",  # noqa: S608
            (seconds,),
        )


def test_percentiles_are_within_five_per_cent_in_each_lane(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    for lane, n in (("on-prem", 300), ("serverless", 200)):
        references = accept(n, lane=lane)
        database.query(
            "UPDATE predictions SET accepted_at = accepted_at - make_interval(secs => exp("
            "random() * 8 - 5)) WHERE lane = %s",
            (lane,),
        )
        predictions.finish([outcome(reference, failed=False) for reference in references])
    _, points = Series(database).points(HOUR_S)
    for lane in ("on-prem", "serverless"):
        [point] = [point for point in points if point["lane"] == lane]
        rows = database.query(
            "SELECT latency_ms FROM prediction_results WHERE lane = %s ORDER BY 1", (lane,)
        )
        assert point["done"] == len(rows)
        for name, share in SHARES:
            exact = float(rows[math.ceil(share * len(rows)) - 1]["latency_ms"])
            assert point[name] == pytest.approx(exact, rel=0.05)


def test_all_that_concurrent_writers_finish_is_counted_once(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    def live(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(10):
            references = accept(chance.randint(1, 20))
            for _ in range(2):  # the second time it is finished already
                predictions.finish([outcome(one, chance.random() < 0.3) for one in references])

    def compact() -> None:
        while any(thread.is_alive() for thread in threads):
            Statistics(database).compact()

    threads = [threading.Thread(target=live, args=(seed,)) for seed in range(4)]
    sweep = threading.Thread(target=compact)
    for thread in (*threads, sweep):
        thread.start()
    for thread in (*threads, sweep):
        thread.join()
    [counted] = database.query(
        "SELECT count(*) FILTER (WHERE status = 'done') AS done,"
        " count(*) FILTER (WHERE status = 'failed') AS failed FROM predictions"
    )
    assert totals(database) == (counted["done"], counted["failed"])


def test_what_is_given_up_is_counted_as_failed(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    predictions.claim(accept(3), "w", 30)
    predictions.sweep(0, 1)
    assert totals(database) == (0, 3)
    [point] = Series(database).points(HOUR_S)[1]
    assert (point["p50_ms"], point["p99_ms"]) == (None, None)


def test_a_finished_row_that_is_changed_or_deleted_is_neither_counted_again_nor_forgotten(
    database: Database, predictions: Predictions
) -> None:
    row = NewPrediction(uuid4(), "serverless", "a", "image/png", 1, None, Reference("key", "v"))
    predictions.adopt([row])
    predictions.finish([outcome(row.reference)])
    known = NewPrediction(uuid4(), "serverless", "a", "image/png", 1, "digest", row.reference)
    [inserted] = predictions.insert([known])  # the API, which its event has overtaken
    assert inserted["status"] == "done"
    assert totals(database) == (1, 0)
    predictions.delete(inserted["id"])
    assert totals(database) == (1, 0)


def test_slots_are_merged_as_they_age_and_nothing_is_lost_before_its_time(
    database: Database,
) -> None:
    def slots() -> int:
        [kept] = database.query("SELECT count(*) AS rows FROM prediction_series")
        return int(kept["rows"])

    series = Series(database)
    # Six slots in two of five minutes in one of an hour, wherever the clock is: the hour before.
    for second in (0, 10, 290, 300, 310, 590):
        append(database, f"date_bin('1 hour', now(), 'epoch') - interval '{3600 - second} s'", 5)
    before = series.points(3 * HOUR_S)
    assert len(before[1]) > 1
    series.compact()
    assert series.points(3 * HOUR_S) == before
    numbers = [slots()]
    for age_s in (3 * HOUR_S, 5 * DAY_S, FORGOTTEN_AFTER_S):
        assert totals(database, 30 * DAY_S) == (30, 0)
        later(database, age_s)
        series.compact()
        numbers.append(slots())
    assert numbers == [6, 2, 1, 0]


def test_a_backlog_is_added_up_a_batch_at_a_time_and_told_in_full_meanwhile(
    database: Database,
) -> None:
    for _ in range(10):
        for age_s in range(0, 100, 10):
            append(database, f"now() - interval '{age_s} s'")
    left = [waiting(database)]
    while left[-1]:
        Series(database, batch_rows=10).compact()
        assert totals(database) == (100, 0)
        left.append(waiting(database))
    assert left == [100, 70, 40, 10, 0]


def test_of_sweeps_at_once_none_waits_for_another_and_none_fails(database: Database) -> None:
    appended, until = 0, time.monotonic() + 3

    def compact() -> None:
        while time.monotonic() < until:
            Statistics(database).compact()

    with ThreadPoolExecutor() as pool:
        sweeps = [pool.submit(compact) for _ in range(3)]
        while time.monotonic() < until:
            # Of slots that are merged as soon as they are added up, in no order.
            database.query(
                """
                INSERT INTO prediction_series_added
                SELECT now() - make_interval(secs => 10800 + floor(random() * 999) * 10),
                    'on-prem', 'done', 40, 1 FROM generate_series(1, 500)
                """
            )
            appended += 500
        for sweep in sweeps:
            sweep.result()
    assert totals(database, 12 * HOUR_S) == (appended, 0)


def test_who_comes_second_leaves_the_adding_up_to_the_first(
    database: Database, database_url: str
) -> None:
    append(database, "now()")
    database.query("INSERT INTO prediction_counts VALUES ('on-prem', 'done', 'Forest', NULL, 1)")
    first = connect(database_url)
    first.autocommit = False
    with first.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_ID,))
        Statistics(database).compact()
        assert waiting(database) == 1
    first.rollback()
    first.close()
    Statistics(database).compact()
    assert waiting(database) == 0
    assert totals(database) == (1, 0)


def test_a_span_has_some_sixty_to_a_hundred_and_twenty_points() -> None:
    for minutes in range(1, 30 * 24 * 60 + 1):
        points = minutes * 60 / step_of(minutes * 60)
        assert points <= 120
        fewer = minutes < 10 or 130 < minutes < 300  # slots are no shorter there
        assert points >= (6 if fewer else 48), minutes


def test_points_begin_where_their_span_does(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    predictions.finish([outcome(reference) for reference in accept(2)])
    assert totals(database, 600) == (2, 0)
    later(database, 620)
    assert totals(database, 600) == (0, 0)
    assert totals(database, HOUR_S) == (2, 0)
    points: list[dict[str, Any]]
    step_s, points = Series(database).points(HOUR_S)
    assert {point["at"].timestamp() % step_s for point in points} == {0}
