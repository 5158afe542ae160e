"""Predictions a page at a time, filtered and sorted, at a cost that no number of rows changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from store.database import Database

Row = dict[str, Any]
Sort = Literal["-accepted_at", "accepted_at", "-confidence", "confidence"]

BIGINT_MAX = 2**63 - 1  # of PostgreSQL, whose ids these are
# Rows that one page looks through for what no index has. Whoever wants more asks on.
WINDOW_ROWS = 50_000

# Ids are given in the order of acceptance. A row that has a confidence is done, and the index is
# on those.
ORDERS: dict[Sort, tuple[str, ...]] = {
    "-accepted_at": ("id DESC",),
    "accepted_at": ("id",),
    "-confidence": ("confidence DESC", "id DESC"),
    "confidence": ("confidence", "id"),
}
AFTER: dict[Sort, str] = {
    "-accepted_at": "id < %(after_id)s",
    "accepted_at": "id > %(after_id)s",
    "-confidence": "(confidence, id) < (%(after_confidence)s::real, %(after_id)s)",
    "confidence": "(confidence, id) > (%(after_confidence)s::real, %(after_id)s)",
}
CONDITIONS = {
    "id": "id = %(id)s",
    "request_ids": "request_id = ANY (%(request_ids)s::uuid[])",
    "predicted_label": "predicted_label = %(predicted_label)s",
    "status": "status = %(status)s",
    "lane": "lane = %(lane)s",
    "true_label": "true_label = %(true_label)s",
    "correct": "(true_label = predicted_label) = %(correct)s",
    "search": "image_name ILIKE %(search)s",
}
WRITTEN = re.compile(r"((?P<confidence>[0-9](\.[0-9]+)?(e-[0-9]{1,2})?):)?(?P<id>[0-9]{1,19})")
FEW = ("id", "request_ids")  # these leave so few rows that the rest can be looked through
INDEXED = ("predicted_label", "status", "lane")  # each with the id after it; narrowest first


@dataclass(frozen=True)
class Filters:
    """Which rows: what each member is to be. None, or an empty one, is anything."""

    id: int | None = None
    request_ids: Sequence[str] = ()
    predicted_label: str | None = None
    status: str | None = None
    lane: str | None = None
    true_label: str | None = None
    correct: bool | None = None  # of rows whose true label is known
    search: str | None = None  # part of the image's name, in any case


class Position(NamedTuple):
    """Between two rows of an order: after the one with these values."""

    id: int
    confidence: float | None = None

    def __str__(self) -> str:
        """Write it down, for a client to come back with."""
        return str(self.id) if self.confidence is None else f"{self.confidence!r}:{self.id}"

    @classmethod
    def read(cls, text: str, sort: Sort) -> Position:
        """Read what was written down for this order.

        Raises:
            ValueError: it was not, or for another order.
        """
        parts = WRITTEN.fullmatch(text)
        if not parts or not 1 <= int(parts["id"]) <= BIGINT_MAX:
            raise ValueError("this is no `next_cursor`")
        if bool(parts["confidence"]) != ("confidence" in sort):
            raise ValueError(f"this is no `next_cursor` of sort={sort}")
        return cls(int(parts["id"]), float(parts["confidence"]) if parts["confidence"] else None)


class Page(NamedTuple):
    """Rows, and where the next page begins; None at the end.

    A page that ran out of rows to look through has fewer than were asked for, even none, and
    is not the last one for that.
    """

    rows: list[Row]
    next: Position | None


class Listing:
    """Reads the predictions table in pages. Raises ``StoreError`` when the database fails."""

    def __init__(self, database: Database, window_rows: int = WINDOW_ROWS) -> None:
        self._database = database
        self._window_rows = window_rows

    def page(
        self,
        filters: Filters | None = None,
        *,
        limit: int,
        sort: Sort = "-accepted_at",
        after: Position | None = None,
    ) -> Page:
        """Return at most ``limit`` rows in the order of ``sort``, from ``after`` on.

        Sorted by confidence, only rows that have one are listed.
        """
        wanted = {
            name: value
            for name, value in vars(filters or Filters()).items()
            if value is not None and value != ()
        }
        # That is done, and by its index: to be looked for among those, it is every row or none.
        if "confidence" in sort and wanted.pop("status", "done") != "done":
            return Page([], None)
        by_index = _by_index(set(wanted), sort)
        conditions = [CONDITIONS[name] for name in by_index]
        if "confidence" in sort:
            conditions.append("status = 'done'")
        if after is not None:
            conditions.append(AFTER[sort])
        looked_for = [CONDITIONS[name] for name in wanted if name not in by_index]
        make = self._windowed if looked_for else self._plain
        rows = self._database.query(
            make(" AND ".join(conditions) or "true", " AND ".join(looked_for), ORDERS[sort]),
            {
                **wanted,
                "request_ids": list(wanted.get("request_ids", ())),  # an array, and no row
                "search": f"%{_literal(wanted.get('search', ''))}%",
                "after_id": after and after.id,
                "after_confidence": after and after.confidence,
                "limit": limit,
            },
        )
        ended: tuple[int | None, float | None] = (None, None)
        for row in rows:  # in each of them, and in one without an id if there are none
            ended = row.pop("ended_id"), row.pop("ended_confidence")
        rows = [row for row in rows if row["id"] is not None]
        if len(rows) == limit:
            ended = rows[-1]["id"], rows[-1]["confidence"]
        last_id, confidence = ended
        if last_id is None:
            return Page(rows, None)
        return Page(rows, Position(last_id, confidence if "confidence" in sort else None))

    # The names in these are ours; the values travel beside them.

    @staticmethod
    def _plain(conditions: str, _: str, order: Sequence[str]) -> str:
        return f"""
            SELECT *, NULL AS ended_id, NULL AS ended_confidence
            FROM prediction_results WHERE {conditions}
            ORDER BY {", ".join(order)} LIMIT %(limit)s"""

    def _windowed(self, conditions: str, looked_for: str, order: Sequence[str]) -> str:
        # The window is read as far as the page needs it, and of each row only what is compared.
        # Where the window ends is only worked out if the page is not full, and in the same
        # statement: by the next one, rows may have come into the window or left it.
        return f"""
            WITH page AS (
                SELECT id FROM (
                    SELECT id, confidence, image_name, true_label, predicted_label, status, lane
                    FROM predictions WHERE {conditions}
                    ORDER BY {", ".join(order)} LIMIT {self._window_rows}) AS looked_through
                WHERE {looked_for} ORDER BY {", ".join(order)} LIMIT %(limit)s),
            ended AS (
                SELECT id AS ended_id, confidence AS ended_confidence
                FROM predictions
                WHERE {conditions} AND (SELECT count(*) FROM page) < %(limit)s
                ORDER BY {", ".join(order)} OFFSET {self._window_rows - 1} LIMIT 1)
            SELECT r.*, ended_id, ended_confidence
            FROM (SELECT) AS one LEFT JOIN ended ON true LEFT JOIN (
                SELECT * FROM prediction_results WHERE id IN (SELECT id FROM page)) AS r ON true
            ORDER BY {", ".join(f"r.{term}" for term in order)}"""


def _by_index(wanted: set[str], sort: Sort) -> list[str]:
    """Return the filters whose rows an index has in order; the others are looked for among them."""
    if few := [name for name in FEW if name in wanted]:
        return few
    if "confidence" in sort:
        return []
    return [name for name in INDEXED if name in wanted][:1]


def _literal(text: str) -> str:
    """Return a pattern of LIKE that fits ``text`` and nothing else."""
    return re.sub(r"([\\%_])", r"\\\1", text)
