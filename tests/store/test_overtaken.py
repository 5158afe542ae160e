"""What becomes of a row after a statement began, and before the statement has its hand on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from store.database import Database
from store.predictions import Predictions
from store.records import Outcome, Stale
from store.references import Reference
from tests.stack import until

Accept = Callable[..., list[Reference]]
STALE_S, ATTEMPTS = 30.0, 3
LOCK = 7


@pytest.fixture
def spent(predictions: Predictions, accept: Accept) -> Reference:
    """Return an image that is in a worker's hands for too long, and for the last time."""
    [reference] = accept()
    predictions.claim([reference], "w", STALE_S)
    predictions._database.query(
        "UPDATE predictions SET attempts = %s, started_at = started_at - interval '1 hour',"
        " enqueued_at = enqueued_at - interval '1 hour'",
        (ATTEMPTS,),
    )
    return reference


@pytest.fixture
def worker(database_url: str, spent: Reference) -> Iterator[Predictions]:
    """Return predictions whose updates go on at once; all others wait once they have a snapshot."""
    connection = Database(database_url, size=1)
    connection.query(
        f"""
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NULL; END';
        CREATE TRIGGER wait BEFORE UPDATE ON predictions
            FOR EACH STATEMENT EXECUTE FUNCTION wait();
        SELECT pg_advisory_lock({LOCK})
        """
    )
    yield Predictions(connection)
    connection.close()


def sweep_beside(predictions: Predictions, worker: Predictions, then: Callable[[], Any]) -> Stale:
    """Sweep, and have ``then`` done in the middle of it."""
    with ThreadPoolExecutor(1) as thread:
        swept = thread.submit(predictions.sweep, STALE_S, ATTEMPTS)
        waiting = "SELECT pid FROM pg_locks WHERE objid = %s AND NOT granted"
        until(lambda: worker._database.query(waiting, (LOCK,)))
        then()
        worker._database.query(f"SELECT pg_advisory_unlock({LOCK})")
        return swept.result()


def test_what_a_living_worker_gives_back_as_the_sweep_comes_is_not_given_up(
    predictions: Predictions, worker: Predictions, spent: Reference
) -> None:
    stale = sweep_beside(predictions, worker, lambda: worker.release([spent], "w"))
    assert (stale.suspects, stale.given_up) == ([spent], 0)
    [row] = predictions.newest(1)
    assert (row["status"], row["attempts"]) == ("pending", ATTEMPTS - 1)


def test_what_is_finished_as_the_sweep_comes_is_left_alone(
    predictions: Predictions, worker: Predictions, spent: Reference
) -> None:
    done = Outcome(spent.key, spent.version, "Forest", 0.9, {"Forest": 0.9})
    assert sweep_beside(predictions, worker, lambda: worker.finish([done])).touched == 0
    assert predictions.newest(1)[0]["status"] == "done"
