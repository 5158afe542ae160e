"""The promises of the predictions table."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from store.database import Database
from store.errors import StoreError
from store.predictions import Predictions
from store.records import NewPrediction, Outcome
from store.references import Reference

Accept = Callable[..., list[Reference]]
STALE_S, ATTEMPTS = 30.0, 3


def done(reference: Reference, label: str = "Forest") -> Outcome:
    return Outcome(
        key=reference.key,
        version=reference.version,
        predicted_label=label,
        confidence=0.9,
        probabilities={label: 0.9},
        fetch_ms=1.0,
        decode_ms=2.0,
        infer_ms=3.0,
        batch_size=1,
    )


def only(predictions: Predictions) -> dict[str, Any]:
    [row] = predictions.newest(2)
    return row


def age(database: Database, seconds: float) -> None:
    """Make all that is there older, as if time had passed."""
    database.query(
        "UPDATE predictions SET accepted_at = accepted_at - make_interval(secs => %(s)s),"
        " enqueued_at = enqueued_at - make_interval(secs => %(s)s),"
        " started_at = started_at - make_interval(secs => %(s)s)",
        {"s": seconds},
    )


def test_a_finished_row_holds_its_outcome_and_when_it_was_committed(
    predictions: Predictions, accept: Accept
) -> None:
    [reference] = accept()
    assert list(predictions.claim([reference], "w", STALE_S)) == [reference]
    predictions.finish([done(reference)])
    row = only(predictions)
    assert (row["status"], row["predicted_label"], row["attempts"]) == ("done", "Forest", 1)
    assert row["accepted_at"] <= row["started_at"] <= row["finished_at"] < row["committed_at"]
    assert row["record_ms"] > 0
    stages_ms = float(row["queue_ms"]) + row["record_ms"]  # the others are made up above
    assert float(row["latency_ms"]) >= stages_ms - 0.01


def new(reference: Reference, **members: Any) -> NewPrediction:
    known: dict[str, Any] = {
        "request_id": uuid4(),
        "lane": "serverless",
        "image_name": "tile.jpg",
        "content_type": "image/jpeg",
        "size_bytes": 1,
        "sha256": "ab" * 32,
    }
    return NewPrediction(reference=reference, **(known | members))


def test_rows_that_two_insert_at_once_are_inserted_once(predictions: Predictions) -> None:
    chance = random.Random(7)
    batches = [[Reference(f"{batch}/{n}", "v") for n in range(100)] for batch in range(20)]
    errors: list[Exception] = []

    def at_once(insert: Callable[[list[NewPrediction]], object], **members: Any) -> None:
        for batch in batches:
            rows = [new(reference, **members) for reference in batch]
            chance.shuffle(rows)
            try:
                insert(rows)
            except Exception as error:
                errors.append(error)

    threads = [
        threading.Thread(target=at_once, args=(predictions.insert,)),
        threading.Thread(target=at_once, args=(predictions.adopt,), kwargs={"sha256": None}),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    rows = predictions.of([reference for batch in batches for reference in batch])
    assert len(rows) == 2000
    assert {row["sha256"] for row in rows} == {"ab" * 32}


def test_an_upload_keeps_its_id_though_another_version_was_adopted_under_it(
    predictions: Predictions,
) -> None:
    request_id = uuid4()
    first, second = Reference("a", "v1"), Reference("a", "v2")
    predictions.adopt([new(first, request_id=request_id, sha256=None)])
    [row] = predictions.insert([new(second, request_id=request_id)])
    assert (row["request_id"], row["storage_version"]) == (str(request_id), "v2")
    assert len(predictions.of([first, second])) == 2


def test_a_second_delivery_changes_nothing(predictions: Predictions, accept: Accept) -> None:
    [reference] = accept()
    predictions.claim([reference], "w", STALE_S)
    predictions.finish([done(reference, "Forest")])
    before = only(predictions)
    assert list(predictions.claim([reference], "other", STALE_S)) == []
    predictions.finish([done(reference, "River")])
    assert only(predictions) == before


def test_of_two_workers_one_gets_the_image(predictions: Predictions, accept: Accept) -> None:
    references = accept(50)
    claimed: list[Reference] = []
    start = threading.Barrier(4)

    def claim(name: str) -> None:
        start.wait()
        claimed.extend(predictions.claim(references, name, STALE_S))

    threads = [threading.Thread(target=claim, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(references)


def test_work_given_back_can_be_claimed_again(predictions: Predictions, accept: Accept) -> None:
    [reference] = accept()
    predictions.claim([reference], "w", STALE_S)
    predictions.release([reference], "somebody else")
    assert only(predictions)["status"] == "running"
    predictions.release([reference], "w")
    assert list(predictions.claim([reference], "w2", STALE_S)) == [reference]


def test_work_given_back_is_not_held_against_the_image(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    [reference] = accept()
    for _ in range(ATTEMPTS + 1):
        predictions.claim([reference], "w", STALE_S)
        predictions.release([reference], "w")
    predictions.claim([reference], "w", STALE_S)
    age(database, STALE_S + 1)
    assert predictions.sweep(STALE_S, ATTEMPTS).suspects == [reference]


def test_the_sweep_leaves_alone_what_is_fresh(predictions: Predictions, accept: Accept) -> None:
    waiting, running = accept(2)
    predictions.claim([running], "w", STALE_S)
    swept = predictions.sweep(STALE_S, ATTEMPTS)
    assert (swept.lost, swept.suspects, swept.given_up) == ([], [], 0)
    assert waiting in predictions.claim([waiting], "w", STALE_S)


def test_what_was_begun_most_often_is_taken_up_last(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    poison, *neighbours = accept(20)
    predictions.claim([poison, *neighbours], "dead", STALE_S)
    database.query("UPDATE predictions SET attempts = 2 WHERE storage_key = %s", (poison.key,))
    age(database, STALE_S + 1)
    suspects = predictions.sweep(STALE_S, ATTEMPTS).suspects
    assert (set(suspects), suspects[-1]) == ({poison, *neighbours}, poison)


def test_a_clock_that_was_stepped_back_leaves_no_image_lying(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    waiting, begun = accept(1), accept(2)
    predictions.claim(begun, "dead", 30)
    # To the database it looks alike when its clock goes back, and when its rows are of later.
    database.query(
        "UPDATE predictions SET enqueued_at = enqueued_at + interval '1 hour',"
        " started_at = started_at + interval '1 hour'"
    )
    assert list(predictions.claim(begun[:1], "another", 30)) == begun[:1]
    stale = predictions.sweep(stale_after_s=30, max_attempts=3)
    assert (stale.lost, stale.suspects) == (waiting, begun[1:])
    # They are of now, and not taken up again and again.
    assert predictions.sweep(stale_after_s=30, max_attempts=3).touched == 0


def test_a_lost_message_is_found_and_not_held_against_the_image(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    [reference] = accept()
    for _ in range(ATTEMPTS + 2):  # however long the queue is
        age(database, STALE_S + 1)
        assert predictions.sweep(STALE_S, ATTEMPTS).lost == [reference]
        assert predictions.sweep(STALE_S, ATTEMPTS).lost == []
    assert only(predictions)["status"] == "pending"


def test_where_the_queue_is_crowded_a_message_is_sent_again_as_the_row_doubles_its_age(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    [reference] = accept()
    sent_at_s = []
    at_s = 0
    for more_s in range(31, 45):  # so that no age is just the double of another
        age(database, more_s)
        at_s += more_s
        if predictions.sweep(STALE_S, ATTEMPTS, crowded=True).touched:
            sent_at_s.append(at_s)
    assert sent_at_s == [31, 63, 130, 276]
    age(database, 31)
    # It may be lost all the same: a queue that is not crowded says so.
    assert predictions.sweep(STALE_S, ATTEMPTS).lost == [reference]


def test_the_sweep_goes_only_through_what_is_stale(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    def rows_read() -> int:
        database.query("SELECT pg_stat_force_next_flush()")
        [row] = database.query(
            "SELECT seq_tup_read + idx_tup_fetch AS read FROM pg_stat_user_tables"
            " WHERE relname = 'predictions'"
        )
        return int(row["read"])

    accept(1000)
    database.query("ANALYZE predictions")
    before = rows_read()
    for _ in range(3):
        assert predictions.sweep(STALE_S, ATTEMPTS).touched == 0
    assert rows_read() - before < 100  # some by the planner


def test_an_image_whose_workers_die_is_given_up_with_a_reason(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    [reference] = accept()
    for attempt in range(1, ATTEMPTS + 1):
        assert list(predictions.claim([reference], f"w{attempt}", STALE_S)) == [reference]
        age(database, STALE_S + 1)
        swept = predictions.sweep(STALE_S, ATTEMPTS)
        assert swept.suspects == ([reference] if attempt < ATTEMPTS else [])
    assert swept.given_up == 1
    row = only(predictions)
    assert (row["status"], row["error_code"]) == ("failed", "worker_died")
    assert row["attempts"] == ATTEMPTS
    assert list(predictions.claim([reference], "w", STALE_S)) == []


def test_a_worker_thought_dead_that_finishes_late_does_no_harm(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    [reference] = accept()
    predictions.claim([reference], "slow", STALE_S)
    age(database, STALE_S + 1)
    assert list(predictions.claim([reference], "quick", STALE_S)) == [reference]
    predictions.finish([done(reference, "River")])
    predictions.finish([done(reference, "Forest")])
    assert only(predictions)["predicted_label"] == "River"


def test_two_sweeps_at_once_take_different_rows(
    predictions: Predictions, database: Database, accept: Accept
) -> None:
    references = accept(200)
    age(database, STALE_S + 1)
    start, found = threading.Barrier(2), []

    def sweep() -> None:
        start.wait()
        found.extend(predictions.sweep(STALE_S, ATTEMPTS).lost)

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(references)


def test_an_object_is_accepted_once(accept: Accept) -> None:
    accept(key="same/key")
    with pytest.raises(StoreError, match="unique"):
        accept(key="same/key")


def test_a_database_that_is_away_is_a_store_error() -> None:
    nowhere = Predictions(Database("postgresql://127.0.0.1:1/none"))
    with pytest.raises(StoreError):
        nowhere.newest(1)


def test_a_connection_that_the_server_ended_costs_no_statement(database: Database) -> None:
    [before] = database.query("SELECT pg_backend_pid() AS pid")
    with pytest.raises(StoreError):
        database.query("SELECT pg_terminate_backend(pg_backend_pid())")
    [after] = database.query("SELECT pg_backend_pid() AS pid")
    assert after != before
    second = Database(database._url)
    second.query("SELECT pg_terminate_backend(%s, 5000)", (after["pid"],))
    assert database.query("SELECT 1 AS one") == [{"one": 1}]
    second.close()
