"""Which predictions are old enough to go, and their going."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from store.database import Database
from store.references import Reference

PAGE_ROWS = 1000  # in one statement, so that none of them is long


class Old(NamedTuple):
    """A finished row that is older than it should be, and where its image is."""

    id: int
    reference: Reference


class Page(NamedTuple):
    """Some of the oldest rows: those to go, and where the next page begins; None at the end."""

    old: list[Old]
    next: int | None


class Retention:
    """Finds and deletes old rows. Every method raises ``StoreError`` when the database fails."""

    def __init__(self, database: Database, page_rows: int = PAGE_ROWS) -> None:
        self._database = database
        self._page_rows = page_rows
        self.after = 0  # the id that the last round came to, for the next one to go on from

    def page(self, older_than_s: float, after: int = 0) -> Page:
        """Return the next of the oldest rows.

        Ids are given in the order in which images are accepted, so the oldest come first and the
        end is where the first young row is: no index on time is needed, and what is young is not
        looked at. What is unfinished is left out, however old.
        """
        rows = self._database.query(
            """
            SELECT id, storage_key, storage_version,
                   accepted_at < clock_timestamp() - make_interval(secs => %(age)s) AS is_old,
                   status IN ('done', 'failed') AS is_finished
            FROM predictions WHERE id > %(after)s ORDER BY id LIMIT %(rows)s
            """,
            {"age": older_than_s, "after": after, "rows": self._page_rows},
        )
        old = [
            Old(row["id"], Reference(row["storage_key"], row["storage_version"]))
            for row in rows
            if row["is_old"] and row["is_finished"]
        ]
        more = len(rows) == self._page_rows and rows[-1]["is_old"]
        return Page(old, rows[-1]["id"] if more else None)

    def count(self, older_than_s: float) -> int:
        """Return how many there are to go: by pages, because one count of all may take minutes."""
        n, after = 0, 0
        while True:
            page = self.page(older_than_s, after)
            n += len(page.old)
            if page.next is None:
                return n
            after = page.next

    def delete(self, ids: Sequence[int]) -> int:
        """Delete rows whose images are gone; return how many there still were.

        In an order, and not those that another deletes: two that do this at once do not wait
        for each other.
        """
        rows = self._database.query(
            """
            DELETE FROM predictions WHERE id IN (
                SELECT id FROM predictions WHERE id = ANY (%s) ORDER BY id FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,
            (list(ids),),
        )
        return len(rows)
