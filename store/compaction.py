"""Adding up what writers append: a batch at a time, by one at a time.

A row is appended for each change, so that no writer waits for another, and whoever sweeps adds
them up. If nobody did for long, that is not done in one statement, which might take longer than
a statement may: the rest is left to the next round.
"""

from __future__ import annotations

from typing import Any

from store.database import Database

LOCK_ID = 5_791_028  # whoever adds up holds it; the one before it is held by who migrates
BATCH_ROWS = 50_000  # about a second, of the fifteen that a statement may take
MOST_BATCHES = 3  # in a round


def taken(table: str, condition: str = "true") -> str:
    """Return the ``WITH`` term that takes a batch of rows out of a table of ours.

    It takes none while another transaction holds the lock, which is held to the end of the
    statement's own: two that add up at once would delete and insert the same rows in another
    order, and each wait for the other. The statement sees what was there before it had the lock,
    but rows that the other took by then it finds deleted and passes over, and rows that the
    other changed it leaves to the next round. (Older versions of PostgreSQL take them as they are
    now, which is as right.)
    """
    return f"""taken AS (
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table}
            WHERE (SELECT pg_try_advisory_xact_lock(%(lock)s)) AND {condition}
            LIMIT %(batch)s))
        RETURNING *)"""  # noqa: S608  (names of ours)


def in_batches(
    database: Database, terms: str, batch_rows: int, parameters: dict[str, Any] | None = None
) -> None:
    """Run ``WITH terms``, ``taken`` among them, until nothing is left to take, or a few times.

    Raises:
        StoreError: the database failed; what was taken by then is added up, the rest is as before.
    """
    given = {**(parameters or {}), "lock": LOCK_ID, "batch": batch_rows}
    for _ in range(MOST_BATCHES):
        sql = f"WITH {terms} SELECT count(*) AS rows FROM taken"  # noqa: S608  (names of ours)
        [batch] = database.query(sql, given)
        if batch["rows"] < batch_rows:
            return
