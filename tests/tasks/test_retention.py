"""What is old goes, image and row together, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Barrier, Thread
from uuid import uuid4

import pytest

from settings import ROOT
from store.database import Database
from store.errors import ImageNotFound, StoreError
from store.images import ImageStore, open_images
from store.predictions import Predictions
from store.records import Outcome
from store.references import Reference
from store.retention import Retention
from store.statistics import Statistics
from tasks.retention import DAY_S, prune, prune_or_log
from tests.stack import until

Accept = Callable[..., list[Reference]]
Keep = Callable[..., list[Reference]]


@pytest.fixture(params=["file", "s3"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    if request.param == "file":
        return open_images((tmp_path / "images").as_uri())
    return open_images("s3://tiles/kept", request.getfixturevalue("s3_endpoint"))


@pytest.fixture
def keep(predictions: Predictions, accept: Accept, database: Database) -> Keep:
    """Return a function that stores images and their rows, as if accepted so many days ago."""

    def kept(images: ImageStore, n: int, days: float, *, finished: bool = True) -> list[Reference]:
        stored = []
        for _ in range(n):
            [row] = accept(1)
            # As the API does, the image has the name that its row says.
            where = images.put(f"old/{row.key}", b"\xff\xd8\xff", "image/jpeg")
            database.query(
                "UPDATE predictions SET storage_key = %s, storage_version = %s,"
                " accepted_at = clock_timestamp() - make_interval(secs => %s)"
                " WHERE storage_key = %s",
                (where.key, where.version, days * DAY_S, row.key),
            )
            stored.append(where)
        if finished:
            predictions.finish(
                [
                    Outcome(key=one.key, version=one.version, error_code="truncated_image")
                    for one in stored
                ]
            )
        return stored

    return kept


def there(images: ImageStore, references: Sequence[Reference]) -> int:
    """Return how many of these images there are."""
    return sum(not isinstance(one, ImageNotFound) for one in images.get_many(references))


def test_what_is_old_goes_with_its_image_and_what_is_young_or_unfinished_stays(
    images: ImageStore, keep: Keep, database: Database, predictions: Predictions
) -> None:
    unfinished = keep(images, 2, 40, finished=False)
    old, young = keep(images, 5, 40), keep(images, 3, 20)
    counted = database.query("SELECT sum(rows) AS rows FROM prediction_series_added")
    assert Retention(database, page_rows=2).count(30 * DAY_S) == 5
    assert Statistics(database).backlog().finished_per_s > 0
    assert prune(Retention(database, page_rows=2), images, 30 * DAY_S) == 5
    left = {row["storage_key"] for row in predictions.newest(99)}
    assert left == {one.key for one in unfinished + young}
    assert (there(images, old), there(images, unfinished + young)) == (0, 5)
    # What is deleted is in no count of what is there, and stays in what was done over time.
    backlog = Statistics(database).backlog()
    assert backlog.unfinished == 2
    assert backlog.finished_per_s > 0  # who is refused is told by it when to come again
    assert database.query("SELECT sum(rows) AS rows FROM prediction_series_added") == counted
    assert prune(Retention(database), images, 30 * DAY_S) == 0


def test_what_was_overwritten_goes_without_the_young_image_of_the_same_name(
    s3_endpoint: str, predictions: Predictions, accept: Accept, database: Database
) -> None:
    images = open_images("s3://tiles/kept", s3_endpoint)
    name, rows = f"latest-{uuid4()}.jpg", accept(2)
    old, young = (images.put(name, b"\xff\xd8\xff" + one, "image/jpeg") for one in (b"1", b"2"))
    for row, where, days in zip(rows, (old, young), (40, 0), strict=True):
        database.query(
            "UPDATE predictions SET storage_key = %s, storage_version = %s,"
            " accepted_at = clock_timestamp() - make_interval(days => %s) WHERE storage_key = %s",
            (where.key, where.version, days, row.key),
        )
    predictions.finish([Outcome(old.key, old.version, error_code="image_missing")])
    assert prune(Retention(database), images, 30 * DAY_S) == 1
    [left] = predictions.newest(9)
    assert (left["storage_version"], there(images, [young])) == (young.version, 1)


def test_whatever_dies_in_between_neither_a_row_nor_an_image_is_left(
    keep: Keep, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = open_images((tmp_path / "images").as_uri())
    old = keep(images, 3, 40)

    def died(*_: object) -> int:
        raise StoreError("database: away")

    with monkeypatch.context() as patched:
        patched.setattr(Retention, "delete", died)
        with pytest.raises(StoreError):
            prune(Retention(database), images, 30 * DAY_S)
    assert there(images, old) == 0
    assert prune(Retention(database), images, 30 * DAY_S) == 3


def test_an_image_that_cannot_be_deleted_keeps_its_row(
    keep: Keep, database: Database, predictions: Predictions, tmp_path: Path
) -> None:
    images = open_images((tmp_path / "images").as_uri())
    stuck, _ = keep(images, 1, 40), keep(images, 2, 40)
    path = tmp_path / "images" / stuck[0].key
    path.unlink()
    path.mkdir()  # not even root unlinks a folder
    assert prune(Retention(database, page_rows=1), images, 30 * DAY_S) == 2
    assert [row["storage_key"] for row in predictions.newest(9)] == [stuck[0].key]
    path.rmdir()
    assert prune(Retention(database), images, 30 * DAY_S) == 1


def test_without_the_volume_of_the_images_no_row_goes(
    keep: Keep, database: Database, tmp_path: Path
) -> None:
    keep(open_images((tmp_path / "images").as_uri()), 3, 40)
    not_mounted = open_images((tmp_path / "empty").as_uri())
    assert prune(Retention(database), not_mounted, 30 * DAY_S) == 0
    assert len(database.query("SELECT id FROM predictions")) == 3


def test_two_at_once_do_each_row_once(keep: Keep, database: Database, tmp_path: Path) -> None:
    images = open_images((tmp_path / "images").as_uri())
    keep(images, 60, 40)
    together, gone = Barrier(2), []

    def one() -> None:
        together.wait()
        gone.append(prune(Retention(database, page_rows=7), images, 30 * DAY_S))

    threads = [Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(gone) == 60
    assert database.query("SELECT id FROM predictions") == []


def test_a_round_ends_in_time_and_the_next_goes_on(
    keep: Keep, database: Database, tmp_path: Path
) -> None:
    images = open_images((tmp_path / "images").as_uri())
    keep(images, 6, 40)
    retention = Retention(database, page_rows=2)
    assert [prune(retention, images, 30 * DAY_S, within_s=0) for _ in range(4)] == [2, 2, 2, 0]


def test_old_images_that_cannot_be_deleted_do_not_use_up_every_round(
    keep: Keep, database: Database, tmp_path: Path
) -> None:
    images = open_images((tmp_path / "images").as_uri())
    stuck = [tmp_path / "images" / one.key for one in keep(images, 4, 40)]
    keep(images, 3, 40)
    for path in stuck:
        path.unlink()
        path.mkdir()  # not even root unlinks a folder
    retention = Retention(database, page_rows=2)
    gone = [prune(retention, images, 30 * DAY_S, within_s=0) for _ in range(4)]
    assert gone == [0, 0, 2, 1]
    for path in stuck:
        path.rmdir()
    assert prune(retention, images, 30 * DAY_S) == 4  # from the start again


def test_nothing_goes_where_nothing_is_said(keep: Keep, database: Database, tmp_path: Path) -> None:
    images = open_images((tmp_path / "images").as_uri())
    keep(images, 1, 4000)
    prune_or_log(Retention(database), images, 0)
    assert len(database.query("SELECT id FROM predictions")) == 1


def test_the_sweep_does_it(
    keep: Keep, database: Database, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    images = open_images((tmp_path / "images").as_uri())
    old, young = keep(images, 3, 2), keep(images, 1, 0.5)
    process = subprocess.Popen(
        [sys.executable, "-m", "tasks.sweep"],
        cwd=ROOT,
        env=os.environ
        | {
            "SKYLANE_HOME": str(tmp_path),
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "SKYLANE_SWEEP_EVERY_S": "0.1",
            "SKYLANE_RETENTION_DAYS": "1",
        },
    )
    try:
        until(lambda: len(database.query("SELECT id FROM predictions")) == 1)
    finally:
        process.kill()
        process.wait()
    assert (there(images, old), there(images, young)) == (0, 1)


def test_what_is_deleted_while_it_is_in_work_is_not_there_again(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    [reference] = accept(1)
    predictions.claim([reference], "worker", 30)
    predictions.delete(predictions.newest(1)[0]["id"])
    predictions.finish(
        [Outcome(key=reference.key, version="", error_code="image_missing", error_detail="gone")]
    )
    assert predictions.newest(9) == []
    assert Statistics(database).counts() == []
