"""Whoever waits for a prediction is woken, whatever became of the listener meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from store.database import Database
from store.notifications import Finished
from store.predictions import Predictions
from store.records import Outcome
from store.references import Reference
from tests.stack import until

OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
LISTENERS = "SELECT 1 AS one FROM pg_stat_activity WHERE query = 'LISTEN finished'"
LISTENERS += " AND datname = current_database()"


def test_nobody_listens_for_nobody_and_who_comes_next_is_heard(
    database_url: str,
    database: Database,
    predictions: Predictions,
    accept: Callable[..., list[Reference]],
) -> None:
    finished = Finished(database_url, predictions.get)
    for _ in range(2):
        [reference] = accept()
        with finished.watch([reference.key]) as waiter:
            predictions.finish([Outcome(reference.key, "", error_code="truncated_image")])
            assert waiter.wait(10)[reference.key]["status"] == "failed"
        assert database.query(LISTENERS)
        database.query(OTHERS)
        until(lambda: finished._thread is None, limit_s=10)
        assert not database.query(LISTENERS)


def test_two_wait_for_one_and_neither_for_the_other(
    database_url: str, predictions: Predictions, accept: Callable[..., list[Reference]]
) -> None:
    finished = Finished(database_url, predictions.get)
    [first, second] = accept(2)
    with finished.follow([first.key, second.key]) as follower:
        with finished.watch([first.key]) as waiter:
            predictions.finish([Outcome(first.key, "", error_code="truncated_image")])
            assert waiter.wait(10).keys() == {first.key}
        for reference in (first, second):
            assert [row["request_id"] for row in follower.news(10)] == [reference.key]
            predictions.finish([Outcome(second.key, "", error_code="truncated_image")])
