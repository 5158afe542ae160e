"""Throughput and latency over time, at a cost that no number of predictions changes.

Counted are predictions by slot of time and bucket of latency (schema/007_series.sql). A bucket
is 10 % wide, so a percentile is told to within 5 %: it is the middle of the bucket that it is in.
"""

from __future__ import annotations

from typing import Any

from store.compaction import BATCH_ROWS, in_batches, taken
from store.database import Database

SLOT_S = 10
# Into slots how long those are merged that are older than so many seconds: a point of what
# /stats/series shows that far back is no shorter.
MERGED = ((300, 2 * 3600 + 600), (3600, 3 * 86400 + 3600))
FORGOTTEN_AFTER_S = 35 * 86400
MOST_POINTS = 120
STEPS_S = (10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600)
BUCKET = 1.1  # times as long as the one before
PERCENTILES = (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99))


def step_of(span_s: float) -> int:
    """Return how long a point is, in seconds, for some 60 to 120 points over ``span_s``.

    There are fewer for what is shorter than ten minutes, and from two hours to five, by how long
    the slots are that these are made of.
    """
    longest_slot_s = max((step for step, age in MERGED if span_s > age), default=SLOT_S)
    return next(
        (step for step in STEPS_S if span_s / step <= MOST_POINTS and step % longest_slot_s == 0),
        STEPS_S[-1],
    )


class Series:
    """Reads and tends the counts over time."""

    def __init__(self, database: Database, batch_rows: int = BATCH_ROWS) -> None:
        self._database = database
        self._batch_rows = batch_rows

    def points(self, span_s: float) -> tuple[int, list[dict[str, Any]]]:
        """Return the step in s and ``{at, lane, done, failed, p50_ms, p90_ms, p99_ms}`` by time.

        The last ``span_s`` are covered, the step that goes on now included; what nothing was
        finished in is left out. Percentiles are of latency, from accepted to committed, within
        5 % (see above), and None where nothing is done.
        """
        step_s = step_of(span_s)
        percentiles = ", ".join(
            f"round(({BUCKET} ^ (0.5 + min(bucket) FILTER (WHERE status = 'done'"
            f" AND upto >= {share} * total)))::numeric, 1)::float8 AS {name}"
            for name, share in PERCENTILES
        )
        points = self._database.query(
            f"""
            WITH counted AS (
                SELECT date_bin(make_interval(secs => %(step)s), slot_at, 'epoch') AS at,
                    lane, status, bucket, sum(rows) AS rows
                FROM (SELECT slot_at, lane, status, bucket, rows FROM prediction_series UNION ALL
                      SELECT slot_at, lane, status, bucket, rows FROM prediction_series_added)
                    AS slots
                WHERE slot_at >= date_bin(make_interval(secs => %(step)s),
                    now() - make_interval(secs => %(span)s), 'epoch')
                    + make_interval(secs => %(step)s)
                GROUP BY 1, 2, 3, 4),
            ranked AS (
                SELECT *, sum(rows) OVER (PARTITION BY at, lane, status) AS total,
                    sum(rows) OVER (PARTITION BY at, lane, status ORDER BY bucket) AS upto
                FROM counted)
            SELECT at, lane,
                coalesce(sum(rows) FILTER (WHERE status = 'done'), 0)::bigint AS done,
                coalesce(sum(rows) FILTER (WHERE status = 'failed'), 0)::bigint AS failed,
                {percentiles}
            FROM ranked GROUP BY at, lane ORDER BY at, lane
            """,  # noqa: S608  (names and numbers of ours)
            {"step": step_s, "span": span_s},
        )
        return step_s, points

    def compact(self) -> None:
        """Add up what was appended, merge what is old into longer slots, forget what is older.

        Of a backlog only some, see ``store.compaction``; whoever reads sums up the rest.
        """
        self._add_up(taken("prediction_series_added"), "slot_at", {"step": SLOT_S})
        shorter_s = SLOT_S
        for step_s, age_s in MERGED:
            slot_at = "date_bin(make_interval(secs => %(step)s), {}, 'epoch')"
            old = slot_at.format("now() - make_interval(secs => %(age)s)")
            self._add_up(
                taken("prediction_series", f"step_s = %(shorter)s AND slot_at < {old}"),
                slot_at.format("slot_at"),
                {"step": step_s, "age": age_s, "shorter": shorter_s},
            )
            shorter_s = step_s
        forgotten = taken("prediction_series", "slot_at < now() - make_interval(secs => %(age)s)")
        in_batches(self._database, forgotten, self._batch_rows, {"age": FORGOTTEN_AFTER_S})

    def _add_up(self, rows_taken: str, slot_at: str, parameters: dict[str, Any]) -> None:
        in_batches(
            self._database,
            f"""{rows_taken}, added AS (
                INSERT INTO prediction_series AS kept
                SELECT {slot_at}, %(step)s, lane, status, bucket, sum(rows) FROM taken
                GROUP BY 1, 2, 3, 4, 5
                ON CONFLICT (slot_at, step_s, lane, status, bucket)
                    DO UPDATE SET rows = kept.rows + excluded.rows)
            """,  # noqa: S608  (names of ours)
            self._batch_rows,
            parameters,
        )
