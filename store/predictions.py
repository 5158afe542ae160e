"""The predictions table: the truth about every image. All of its statements are here.

pending ── claim ──> running ── finish ──> done | failed
   ^                    │
   └──── release, sweep ┘
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from store.database import Database
from store.errors import Conflict, StoreError
from store.records import Begun, NewPrediction, Outcome, Progress, Stale
from store.references import Reference

Row = dict[str, Any]

SWEEP_ROWS = 1000  # in one statement, so that none of them is long
INSERT = """
    INSERT INTO predictions (request_id, lane, image_name, content_type, size_bytes,
        sha256, storage_key, storage_version, true_label, traceparent)
    VALUES %s"""

AMONG = """
    WHERE (storage_key, storage_version) IN (
        SELECT * FROM unnest(%(keys)s::text[], %(versions)s::text[]))"""

# What the sweep looks for besides the time in its index, ``enqueued_at``: that one is compared with
# the statement's time, because the clock's, which goes on, would be compared with row after row.
LEFT_LYING = """
    status IN ('pending', 'running') AND coalesce(started_at, '-infinity') NOT BETWEEN
        clock_timestamp() - make_interval(secs => %(stale)s) AND clock_timestamp()"""

# Of the row that the sweep has locked, and not of one that it reads besides: that would be the row
# as it was when the statement began, and a living worker may have given it back since.
SPENT = "status = 'running' AND attempts >= %(attempts)s"


class Predictions:
    """Reads and writes rows. Every method raises ``StoreError`` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, rows: Sequence[NewPrediction]) -> list[Row]:
        """Insert accepted images as ``pending`` and return their rows, in no particular order.

        The event of an object can overtake the API that stored it, and have it adopted first.
        Such a row, without a digest, may even be finished; it takes on what the API knows and
        keeps its state. It was adopted under the id in its key, which is not always the row's.

        Raises:
            Conflict: a request id is another row's; nothing is inserted.
            StoreError: the database failed, or an object was accepted before.
        """
        sql = f"""
            {INSERT} ON CONFLICT (storage_key, storage_version) DO UPDATE SET
                request_id = EXCLUDED.request_id, image_name = EXCLUDED.image_name,
                content_type = EXCLUDED.content_type, size_bytes = EXCLUDED.size_bytes,
                sha256 = EXCLUDED.sha256, true_label = EXCLUDED.true_label,
                traceparent = EXCLUDED.traceparent
            WHERE predictions.sha256 IS NULL
            RETURNING *, NULL AS queue_ms, NULL AS latency_ms
            """
        try:
            inserted = self._database.insert_many(sql, _values(rows))
        except Conflict:
            # An adoption that went on at the same time, or of another version under our id:
            # a PUT that was tried twice stores two in a versioned bucket. Under our key alone:
            # whoever chooses an id must not take it away from an image that came by a form.
            self._database.query(
                "UPDATE predictions SET request_id = gen_random_uuid() WHERE sha256 IS NULL AND"
                " (request_id, storage_key) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))",
                ([str(row.request_id) for row in rows], [row.reference.key for row in rows]),
            )
            inserted = self._database.insert_many(sql, _values(rows))
        if len(inserted) < len(rows):
            raise StoreError("database: objects are unique, and one was accepted before")
        return inserted

    def adopt(self, rows: Sequence[NewPrediction]) -> list[Reference]:
        """Insert, as ``pending``, objects that came past the API; return which were new.

        Left out is what has a row by now, and whose request id another row has.
        """
        sql = f"{INSERT} ON CONFLICT DO NOTHING RETURNING storage_key, storage_version"
        adopted = self._database.insert_many(sql, _values(rows))
        return [Reference(row["storage_key"], row["storage_version"]) for row in adopted]

    def progress(self, references: Sequence[Reference]) -> dict[Reference, Progress]:
        """Return how far the work on each is; what has no row is left out."""
        rows = self._database.query(
            f"SELECT storage_key, storage_version, status, attempts FROM predictions {AMONG}",
            _keys_and_versions(references),
        )
        return {
            Reference(row["storage_key"], row["storage_version"]): Progress(
                finished=row["status"] in ("done", "failed"), attempts=row["attempts"]
            )
            for row in rows
        }

    def claim(
        self, references: Sequence[Reference], worker: str, stale_after_s: float
    ) -> dict[Reference, Begun]:
        """Mark work as begun and return what is to be done: less than asked for, at times.

        Left out is what is finished already, or in another worker's hands for less than
        ``stale_after_s``: a message that was delivered twice. A claim that is lost in a
        crash of the server is only claimed again, so it does not wait for the disk.
        """
        rows = self._database.query(
            f"""
            SET LOCAL synchronous_commit TO off;
            UPDATE predictions SET status = 'running', attempts = attempts + 1,
                started_at = clock_timestamp(), worker = %(worker)s
            {AMONG} AND (status = 'pending' OR (status = 'running'
                    AND started_at NOT BETWEEN
                        clock_timestamp() - make_interval(secs => %(stale)s)
                        AND clock_timestamp()))
            RETURNING storage_key, storage_version, attempts, traceparent,
                extract(epoch FROM started_at - accepted_at)::float8 * 1000 AS queue_ms
            """,
            {"worker": worker, "stale": stale_after_s, **_keys_and_versions(references)},
        )
        return {
            Reference(row["storage_key"], row["storage_version"]): Begun(
                row["attempts"], row["queue_ms"], row["traceparent"]
            )
            for row in rows
        }

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes, durably, in one statement. Rows already finished stay as they are."""
        if outcomes:
            payload = json.dumps([vars(outcome) for outcome in outcomes])
            self._database.query("CALL finish_predictions(%s)", (payload,))

    def release(self, references: Sequence[Reference], worker: str) -> None:
        """Give back work that this worker claimed and could not finish.

        The attempt is taken back too: attempts are counted to find images that kill their
        worker, and this worker lives. Its name stays, and says that the image had its turn.
        """
        self._database.query(
            f"""
            UPDATE predictions SET status = 'pending', started_at = NULL,
                attempts = greatest(attempts - 1, 0)
            {AMONG} AND status = 'running' AND worker = %(worker)s
            """,
            {"worker": worker, **_keys_and_versions(references)},
        )

    def sweep(self, stale_after_s: float, max_attempts: int, *, crowded: bool = False) -> Stale:
        """Take back what was left lying, at most ``SWEEP_ROWS`` rows.

        ``running`` rows past the bound go back to ``pending``, or fail for good once they
        were begun ``max_attempts`` times. ``pending`` ones past it are to be enqueued
        again, however often: waiting in a long queue is no fault of theirs. Two sweeps at
        once take different rows. A time that is yet to come is past the bound as well: the
        clock was stepped back, and by it such a row would lie for as long as that.

        Where the queue is ``crowded``, a pending row's message probably waits in it. Then its
        first one is sent again after the bound, and each later one only when the row has
        become twice as old: or a queue that nobody works on would grow for as long as that.
        """
        rows = self._database.query(
            f"""
            WITH past AS (
                SELECT id FROM predictions
                WHERE enqueued_at < statement_timestamp() - make_interval(secs => %(stale)s)
                  AND {LEFT_LYING}
                  AND (status = 'running' OR NOT %(crowded)s
                       OR statement_timestamp() - enqueued_at > enqueued_at - accepted_at)
                ORDER BY enqueued_at LIMIT %(limit)s
                FOR UPDATE SKIP LOCKED),
            -- By a second, so that it is none which was inserted since this statement came.
            to_come AS (
                SELECT id FROM predictions
                WHERE enqueued_at > statement_timestamp() + interval '1 s' AND {LEFT_LYING}
                ORDER BY enqueued_at LIMIT %(limit)s
                FOR UPDATE SKIP LOCKED),
            stale AS (
                SELECT id FROM past UNION ALL SELECT id FROM to_come LIMIT %(limit)s)
            UPDATE predictions SET
                status = CASE WHEN {SPENT} THEN 'failed' ELSE 'pending' END,
                error_code = CASE WHEN {SPENT} THEN 'worker_died' END,
                error_detail = CASE WHEN {SPENT} THEN
                    'Work on this image was begun ' || attempts || ' times and never ended;'
                    || ' its worker died or failed each time.' END,
                finished_at = CASE WHEN {SPENT} THEN clock_timestamp() END,
                committed_at = CASE WHEN {SPENT} THEN clock_timestamp() END,
                started_at = CASE WHEN {SPENT} THEN started_at END,
                enqueued_at = clock_timestamp()
            WHERE id IN (SELECT id FROM stale)
            RETURNING storage_key, storage_version, attempts, status = 'failed' AS spent
            """,
            {
                "stale": stale_after_s,
                "attempts": max_attempts,
                "crowded": crowded,
                "limit": SWEEP_ROWS,
            },
        )
        left: dict[bool, list[Reference]] = {True: [], False: []}
        # What was begun most often comes last, so that it takes no others along once more.
        for row in sorted(rows, key=lambda row: int(row["attempts"])):
            if not row["spent"]:
                reference = Reference(row["storage_key"], row["storage_version"])
                left[row["attempts"] > 0].append(reference)
        return Stale(
            lost=left[False], suspects=left[True], given_up=sum(row["spent"] for row in rows)
        )

    def unsent(self, references: Sequence[Reference]) -> None:
        """Say that the messages of swept rows could not be sent: the next sweep finds them."""
        self._database.query(
            f"UPDATE predictions SET enqueued_at = accepted_at {AMONG} AND status = 'pending'",
            _keys_and_versions(references),
        )

    def of(self, references: Sequence[Reference]) -> list[Row]:
        """Return the rows of these images, in no particular order."""
        return self._database.query(
            f"SELECT * FROM prediction_results {AMONG}", _keys_and_versions(references)
        )

    def get(self, request_ids: Sequence[str]) -> list[Row]:
        """Return the rows with these request ids, in no particular order."""
        return self._database.query(
            "SELECT * FROM prediction_results WHERE request_id = ANY (%s::uuid[])",
            (list(request_ids),),
        )

    def states(self, request_ids: Iterable[str]) -> dict[str, str]:
        """Return the status of each row with one of these request ids."""
        rows = self._database.query(
            "SELECT request_id, status FROM predictions WHERE request_id = ANY (%s::uuid[])",
            (list(request_ids),),
        )
        return {row["request_id"]: row["status"] for row in rows}

    def delete(self, row_id: int) -> None:
        """Delete a row. Whoever works on its image finds nothing to finish."""
        self._database.query("DELETE FROM predictions WHERE id = %s", (row_id,))

    def forget(self, references: Sequence[Reference]) -> None:
        """Delete the rows that images were adopted into which the API has taken back."""
        self._database.query(
            f"DELETE FROM predictions {AMONG} AND sha256 IS NULL", _keys_and_versions(references)
        )

    def newest(self, limit: int) -> list[Row]:
        """Return the rows accepted last, the last one first."""
        return self._database.query(
            "SELECT * FROM prediction_results ORDER BY id DESC LIMIT %s", (limit,)
        )


def _keys_and_versions(references: Sequence[Reference]) -> dict[str, list[str]]:
    """Return what ``AMONG`` asks for."""
    return {
        "keys": [reference.key for reference in references],
        "versions": [reference.version for reference in references],
    }


def _values(rows: Sequence[NewPrediction]) -> list[tuple[Any, ...]]:
    """Return what ``INSERT`` asks for.

    In the order of their keys, whoever inserts: two that insert the same rows wait one for
    the other, and not each for the other.
    """
    return [
        (
            str(row.request_id),
            row.lane,
            row.image_name,
            row.content_type,
            row.size_bytes,
            row.sha256,
            row.reference.key,
            row.reference.version,
            row.true_label,
            row.traceparent,
        )
        for row in sorted(rows, key=lambda row: row.reference)
    ]
