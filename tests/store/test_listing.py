"""Pages hold what was asked for, each row once, however little of it there is."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from psycopg2.extras import Json

from store.database import Database
from store.listing import Filters, Listing, Page, Position, Sort
from store.predictions import Predictions
from store.references import Reference

Accept = Callable[..., list[Reference]]
ROWS = 300
SORTS: tuple[Sort, ...] = ("-accepted_at", "accepted_at", "-confidence", "confidence")
MAKE = """
    INSERT INTO predictions (request_id, lane, image_name, content_type, size_bytes, sha256,
        storage_key, true_label, status, predicted_label, confidence, error_code)
    SELECT gen_random_uuid(), lane, name, 'image/png', 1, '', n::text, true_label, status,
        CASE status WHEN 'done' THEN predicted_label END,
        CASE status WHEN 'done' THEN confidence END,
        CASE status WHEN 'failed' THEN 'truncated_image' END
    FROM jsonb_to_recordset(%s) AS made (n int, lane text, name text, true_label text,
        status text, predicted_label text, confidence real) ORDER BY n"""


@pytest.fixture
def rows(database: Database) -> list[dict[str, Any]]:
    """Make rows of all kinds, many of them equally sure, and return them in order."""
    chance = random.Random(7)
    made = [
        {
            "n": number,
            "lane": chance.choice(["on-prem", "serverless"]),
            "name": chance.choice(["Tile_1.png", "tile-1.PNG", "100%.png", "a\\b.png", "x.png"]),
            "true_label": chance.choice(["Forest", "River", None]),
            "status": chance.choice(["pending", "running", "done", "done", "failed"]),
            "predicted_label": chance.choice(["Forest", "River"]),
            "confidence": chance.choice([0.1, 0.5, 0.7312345, 1.0]),
        }
        for number in range(ROWS)
    ]
    database.query(MAKE, (Json(made),))
    return database.query("SELECT * FROM prediction_results ORDER BY id")


def all_of(
    listing: Listing, filters: Filters, sort: Sort = "-accepted_at", limit: int = 7
) -> list[Page]:
    """Go through all pages, as a client does: by what the page before said."""
    pages: list[Page] = []
    after = None
    while not pages or after:
        pages.append(listing.page(filters, limit=limit, sort=sort, after=after))
        following = pages[-1].next
        after = following and Position.read(str(following), sort)
        assert len(pages) < 2 * ROWS
    return pages


def ids(pages: list[Page]) -> list[int]:
    return [row["id"] for page in pages for row in page.rows]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("window_rows", [10, 100_000])
def test_pages_follow_each_other_without_gap_or_overlap(
    database: Database, rows: list[dict[str, Any]], sort: Sort, window_rows: int
) -> None:
    listing = Listing(database, window_rows)
    expected = [row for row in rows if "confidence" not in sort or row["status"] == "done"]
    if "confidence" in sort:
        expected.sort(key=lambda row: (row["confidence"], row["id"]))
    if sort.startswith("-"):
        expected.reverse()
    assert ids(all_of(listing, Filters(), sort)) == [row["id"] for row in expected]
    rare = [row["id"] for row in expected if "100%" in row["image_name"] and row["true_label"]]
    found = Filters(search="100%", true_label="River"), Filters(search="100%", true_label="Forest")
    listed = [ids(all_of(listing, filters, sort)) for filters in found]
    assert sorted(itertools.chain(*listed)) == sorted(rare)
    places = {row["id"]: place for place, row in enumerate(expected)}
    assert all(one == sorted(one, key=places.__getitem__) for one in listed)


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        (Filters(true_label="River"), lambda row: row["true_label"] == "River"),
        (Filters(search="TILE"), lambda row: row["image_name"] in ("Tile_1.png", "tile-1.PNG")),
        (Filters(search="e_1"), lambda row: row["image_name"] == "Tile_1.png"),
        (Filters(search="0%."), lambda row: row["image_name"] == "100%.png"),
        (Filters(search="a\\B"), lambda row: row["image_name"] == "a\\b.png"),
        (
            Filters(correct=True),
            lambda row: row["true_label"] and row["true_label"] == row["predicted_label"],
        ),
        (
            Filters(correct=False, lane="serverless"),
            lambda row: (
                row["true_label"]
                and row["predicted_label"]
                and row["true_label"] != row["predicted_label"]
                and row["lane"] == "serverless"
            ),
        ),
        (
            Filters(predicted_label="Forest", status="done", lane="on-prem"),
            lambda row: (row["predicted_label"], row["lane"]) == ("Forest", "on-prem"),
        ),
    ],
)
def test_each_filter_leaves_what_fits_it(
    database: Database,
    rows: list[dict[str, Any]],
    filters: Filters,
    fits: Callable[[dict[str, Any]], bool],
) -> None:
    expected = [row["id"] for row in reversed(rows) if fits(row)]
    assert expected
    for window_rows in (10, 100_000):
        assert ids(all_of(Listing(database, window_rows), filters)) == expected


def test_many_can_be_asked_for_at_once(database: Database, rows: list[dict[str, Any]]) -> None:
    some = random.Random(1).sample(rows, 40)
    filters = Filters(request_ids=tuple(row["request_id"] for row in some))
    for sort in SORTS:
        found = ids(all_of(Listing(database), filters, sort))
        listed = [row for row in some if "confidence" not in sort or row["status"] == "done"]
        assert sorted(found) == sorted(row["id"] for row in listed)


def test_what_is_rare_costs_a_page_no_more_than_a_window(
    database: Database, rows: list[dict[str, Any]]
) -> None:
    pages = all_of(Listing(database, window_rows=50), Filters(search="nowhere"))
    assert ids(pages) == []
    assert len(pages) == ROWS // 50 + 1  # five empty ones that are not the last, and the last


def test_what_no_row_can_be_is_not_looked_for(
    database: Database, rows: list[dict[str, Any]]
) -> None:
    listing = Listing(database, window_rows=50)
    sorts: tuple[Sort, ...] = ("confidence", "-confidence")
    for sort in sorts:
        for status in ("pending", "running", "failed"):  # which have no confidence
            filters = Filters(status=status, search="tile")
            assert listing.page(filters, limit=7, sort=sort) == Page([], None)
        whole = ids(all_of(listing, Filters(), sort))
        assert ids(all_of(listing, Filters(status="done"), sort)) == whole


def test_what_is_finished_meanwhile_hides_nothing(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    references = accept(30)
    listing = Listing(database, window_rows=10)
    filters = Filters(status="pending", search="tile")
    first = listing.page(filters, limit=5)
    predictions.claim(references[15:], "w", 30)  # some that were listed, some not yet
    after = first.next
    found = ids([first])
    while after:
        page = listing.page(filters, limit=5, after=after)
        found, after = found + ids([page]), page.next
    assert set(ids(all_of(listing, filters))) <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("text", ["", "0", "x", "-1", "1:", ":1", "1.5", "nan:1", "1e999:1", "٣"])
def test_a_position_that_nobody_gave_is_refused(text: str) -> None:
    for sort in SORTS:
        with pytest.raises(ValueError, match="next_cursor"):
            Position.read(text, sort)
