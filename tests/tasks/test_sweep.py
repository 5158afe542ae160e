"""What was left lying is enqueued again: the lost together, the suspects alone."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settings import ROOT, Settings
from store.database import Database
from store.errors import StoreError
from store.predictions import Predictions
from store.references import Reference
from tasks.sweep import sweep, sweep_all
from tests.stack import until

Accept = Callable[..., list[Reference]]


class Queue:
    """Takes down what was enqueued, and how."""

    def __init__(self) -> None:
        self.alone: list[Reference] = []
        self.together: list[Reference] = []

    def __call__(self, references: Iterable[Reference], alone: bool) -> None:
        (self.alone if alone else self.together).extend(references)


@contextmanager
def sweeping(
    home: Path, database_url: str, broker_url: str = "redis://127.0.0.1:1/0"
) -> Iterator[None]:
    """Run the program, where nothing else is said with a broker that is away."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tasks.sweep"],
        cwd=ROOT,
        env=os.environ
        | {
            "SKYLANE_HOME": str(home),
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "SKYLANE_SWEEP_EVERY_S": "0.1",
            "SKYLANE_STALE_AFTER_S": "1",
        },
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_what_was_begun_goes_alone_and_what_was_not_goes_together(
    predictions: Predictions, accept: Accept
) -> None:
    lost, begun = accept(3), accept(2)
    predictions.claim(begun, "dead", 30)
    queue = Queue()
    # Everything is stale that was not touched in the last 0 seconds.
    assert sweep(predictions, queue, stale_after_s=0, max_attempts=3).touched == 5
    assert sorted(queue.together) == sorted(lost)
    assert sorted(queue.alone) == sorted(begun)


def test_what_is_given_up_is_not_enqueued(predictions: Predictions, accept: Accept) -> None:
    predictions.claim(accept(2), "dead", 30)
    queue = Queue()
    assert sweep(predictions, queue, stale_after_s=0, max_attempts=1).touched == 2
    assert queue.alone == queue.together == []
    assert {row["error_code"] for row in predictions.newest(9)} == {"worker_died"}


def test_a_broker_that_is_away_costs_no_row(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    references = accept(2)

    def away(references: Iterable[Reference], alone: bool) -> None:
        raise ConnectionError("no broker")

    database.query(
        "UPDATE predictions SET accepted_at = accepted_at - interval '31 s',"
        " enqueued_at = enqueued_at - interval '31 s'"
    )
    with pytest.raises(ConnectionError):
        sweep(predictions, away, stale_after_s=30, max_attempts=3)

    def unknown() -> int:
        raise ConnectionError("no broker")

    queue = Queue()
    with pytest.raises(ConnectionError):
        sweep_all(database, Settings(), queue, unknown)
    sweep_all(database, Settings(), queue, lambda: 1)  # at once, and however much waits
    assert sorted(queue.together) == sorted(references)


def test_a_queue_without_workers_does_not_grow_with_the_time(
    database: Database, accept: Accept
) -> None:
    size, rows = 16, 160
    chosen = Settings(batch_size=size, stale_after_s=30)
    accept(rows)
    messages = 0

    def enqueue(references: Iterable[Reference], alone: bool) -> None:
        nonlocal messages
        messages += math.ceil(len(list(references)) / size)

    for _ in range(60):  # periods, half an hour of the default ones
        database.query(
            "UPDATE predictions SET accepted_at = accepted_at - interval '31 s',"
            " enqueued_at = enqueued_at - interval '31 s'"
        )
        sweep_all(database, chosen, enqueue, lambda: messages)
    assert messages <= 7 * rows / size
    messages = 0  # all lost: sent again after the bound, however old they are
    database.query("UPDATE predictions SET enqueued_at = enqueued_at - interval '31 s'")
    sweep_all(database, chosen, enqueue, lambda: messages)
    assert messages == rows / size


def test_a_database_that_is_away_is_told() -> None:
    nowhere = Predictions(Database("postgresql://127.0.0.1:1/none"))
    with pytest.raises(StoreError):
        sweep(nowhere, Queue(), stale_after_s=0, max_attempts=3)


def test_counts_are_added_up_whether_or_not_the_broker_is_there_and_the_other_way_round(
    database: Database, database_url: str, broker_url: str, accept: Accept, tmp_path: Path
) -> None:
    def appended() -> int:
        [row] = database.query("SELECT count(*) AS rows FROM prediction_counts")
        return int(row["rows"])

    def taken_up() -> bool:
        rows = database.query("SELECT id FROM predictions WHERE enqueued_at > accepted_at + '1 s'")
        return len(rows) == 1

    accept(1)
    database.query("ALTER TABLE prediction_series RENAME TO gone")
    with sweeping(tmp_path, database_url, broker_url):
        until(taken_up)
    database.query("ALTER TABLE gone RENAME TO prediction_series")
    accept(1)  # another difference appended, of the same count
    with sweeping(tmp_path, database_url):
        until(lambda: appended() == 1)
