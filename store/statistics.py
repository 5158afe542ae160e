"""Figures over all predictions, at a cost that does not depend on how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from store.compaction import BATCH_ROWS, in_batches, taken
from store.database import Database
from store.series import SLOT_S, Series

STAGES = ("queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms", "latency_ms")
RECENT = 1000  # finished predictions that the percentiles look back over


@dataclass(frozen=True)
class Backlog:
    """How much waits: images unfinished, and how long the oldest that nobody began has waited.

    ``finished_per_s`` is over the last 10 to 20 s, and counts what was deleted since as well.
    """

    unfinished: int
    finished_per_s: float
    oldest_s: float


class Statistics:
    """Reads the running counts and the latest latencies."""

    def __init__(self, database: Database, batch_rows: int = BATCH_ROWS) -> None:
        self._database = database
        self._batch_rows = batch_rows

    def counts(self) -> list[dict[str, Any]]:
        """Return ``{lane, status, predicted_label, true_label, rows}`` for each combination."""
        return self._database.query(
            """
            SELECT lane, status, predicted_label, true_label, sum(rows)::bigint AS rows
            FROM prediction_counts GROUP BY 1, 2, 3, 4 HAVING sum(rows) <> 0
            """
        )

    def backlog(self) -> Backlog:
        """Return how much waits, at a cost that does not depend on it.

        What was begun before and waits again is no measure of the queue: an image that kills
        its workers waits for minutes while all others pass it by, and one that its store does not
        give for as long as that lasts. Only those are gone through, one by one.
        """
        since = f"date_bin('{SLOT_S} s', now() - interval '{SLOT_S} s', 'epoch')"
        [row] = self._database.query(
            f"""
            SELECT coalesce(sum(rows) FILTER (WHERE status IN ('pending', 'running')), 0)::bigint
                       AS unfinished,
                   (SELECT coalesce(sum(rows), 0) / extract(epoch FROM now() - {since})
                    FROM (SELECT slot_at, rows FROM prediction_series UNION ALL
                          SELECT slot_at, rows FROM prediction_series_added) AS slots
                    WHERE slot_at BETWEEN {since} AND now())::float8 AS finished_per_s,
                   coalesce((SELECT extract(epoch FROM clock_timestamp() - accepted_at)
                             FROM predictions WHERE status = 'pending' AND worker IS NULL
                             ORDER BY id LIMIT 1), 0)::float8 AS oldest_s
            FROM prediction_counts
            """  # noqa: S608  (a time of ours)
        )
        return Backlog(**row)

    def unfinished(self) -> int:
        """Return how many images are pending or running."""
        [row] = self._database.query(
            "SELECT coalesce(sum(rows), 0)::bigint AS rows FROM prediction_counts"
            " WHERE status IN ('pending', 'running')"
        )
        return int(row["rows"])

    def oldest_s(self) -> float:
        """Return how long the oldest unfinished image has been accepted for; 0 if there is none.

        The oldest of each state by the index on it, however long the queue is.
        """
        [row] = self._database.query(
            """
            SELECT coalesce(max(extract(epoch FROM clock_timestamp() - accepted_at)), 0)::float8
                AS oldest_s
            FROM ((SELECT accepted_at FROM predictions WHERE status = 'pending'
                   ORDER BY id LIMIT 1) UNION ALL
                  (SELECT accepted_at FROM predictions WHERE status = 'running'
                   ORDER BY id LIMIT 1)) AS oldest
            """
        )
        return float(row["oldest_s"])

    def latencies(self) -> dict[str, dict[str, float]]:
        """Return ``{stage: {p50, p90, p99}}`` in ms over the latest predictions done."""
        columns = ", ".join(
            f"percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY {stage}) AS {stage}"
            for stage in STAGES
        )
        [row] = self._database.query(
            f"""
            SELECT {columns} FROM (
                SELECT {", ".join(STAGES)} FROM prediction_results
                WHERE status = 'done' ORDER BY finished_at DESC LIMIT {RECENT}) AS recent
            """  # noqa: S608  (columns of ours)
        )
        return {
            stage: dict(
                zip(("p50", "p90", "p99"), (round(ms, 3) for ms in row[stage]), strict=True)
            )
            for stage in STAGES
            if row[stage]
        }

    def recent_errors(self) -> dict[str, int]:
        """Return how often each error code occurs in the latest ``RECENT`` failed rows."""
        rows = self._database.query(
            """
            SELECT error_code, count(*) AS rows FROM (
                SELECT error_code FROM predictions WHERE status = 'failed'
                ORDER BY id DESC LIMIT %s) AS recent
            GROUP BY 1 ORDER BY 2 DESC, 1
            """,
            (RECENT,),
        )
        return {row["error_code"]: row["rows"] for row in rows}

    def compact(self) -> None:
        """Add up the appended differences, so that ``counts`` stays cheap to read; series too.

        Of a backlog only some, see ``store.compaction``; whoever reads sums up the rest.
        """
        in_batches(
            self._database,
            f"""{taken("prediction_counts")}, added AS (
                INSERT INTO prediction_counts
                SELECT lane, status, predicted_label, true_label, sum(rows) FROM taken
                GROUP BY 1, 2, 3, 4 HAVING sum(rows) <> 0)
            """,  # noqa: S608  (a name of ours)
            self._batch_rows,
        )
        Series(self._database, self._batch_rows).compact()
