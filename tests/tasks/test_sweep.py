"""What was left lying is enqueued again: the lost together, the suspects alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from store.database import Database
from store.errors import StoreError
from store.predictions import Predictions
from store.references import Reference
from tasks.sweep import sweep

Accept = Callable[..., list[Reference]]


class Queue:
    """Takes down what was enqueued, and how."""

    def __init__(self) -> None:
        self.alone: list[Reference] = []
        self.together: list[Reference] = []

    def __call__(self, references: Iterable[Reference], alone: bool) -> None:
        (self.alone if alone else self.together).extend(references)


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


def test_a_broker_that_is_away_costs_no_row(predictions: Predictions, accept: Accept) -> None:
    references = accept(2)

    def away(references: Iterable[Reference], alone: bool) -> None:
        raise ConnectionError("no broker")

    with pytest.raises(ConnectionError):
        sweep(predictions, away, stale_after_s=0, max_attempts=3)
    queue = Queue()
    sweep(predictions, queue, stale_after_s=0, max_attempts=3)
    assert sorted(queue.together) == sorted(references)


def test_a_database_that_is_away_is_told() -> None:
    nowhere = Predictions(Database("postgresql://127.0.0.1:1/none"))
    with pytest.raises(StoreError):
        sweep(nowhere, Queue(), stale_after_s=0, max_attempts=3)
