"""Two APIs on the same stores, and requests with the same id: one row, one image, no victims."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from api import create_app
from api.services import Services
from local.s3 import BUCKET
from settings import Settings
from store.database import Database
from store.errors import StoreError
from store.predictions import Predictions
from store.references import Reference
from tests.overtaking import after_storing, in_one_commit


class Two:
    """Two APIs in this process, as two processes of one lane are: no lock is between them."""

    def __init__(self, chosen: Settings, stored: Callable[[], list[bytes]]) -> None:
        self.apps = [create_app(chosen) for _ in range(2)]
        self.at_hand: list[Services] = [app.extensions["skylane"] for app in self.apps]
        self.stored = stored  # every image in the store

    def send(self, n: int, data: bytes, request_id: str | None = None) -> Any:
        form: dict[str, Any] = {"file": (io.BytesIO(data), "x.jpg")}
        form |= {"request_id": request_id} if request_id else {}
        return self.apps[n].test_client().post("/upload?wait=0", data=form)

    def send_batch(self, n: int, images: list[bytes], ids: list[str]) -> Any:
        files = [(io.BytesIO(data), "x.jpg") for data in images]
        form = {"files": files, "request_id": ids}
        return self.apps[n].test_client().post("/upload_batch?wait=0", data=form)

    def rows(self) -> list[dict[str, Any]]:
        return self.at_hand[0].predictions.newest(100)


@pytest.fixture(params=["files", "s3"])
def two(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    database_url: str,
    broker_url: str,
    s3_endpoint: str,
) -> Two:
    """Return two APIs with their images in files, then on S3."""
    addresses = {"database_url": database_url, "broker_url": broker_url}
    if request.param == "files":
        folder = tmp_path / "images"
        return Two(
            Settings(home=tmp_path).model_copy(update=addresses),
            lambda: [path.read_bytes() for path in folder.rglob("*") if path.is_file()],
        )
    prefix = f"races-{uuid4()}"
    bucket = boto3.resource("s3", endpoint_url=s3_endpoint).Bucket(BUCKET)
    chosen = Settings(
        home=tmp_path, images_url=f"s3://{BUCKET}/{prefix}", s3_endpoint_url=s3_endpoint
    )
    return Two(
        chosen.model_copy(update=addresses),
        lambda: [one.get()["Body"].read() for one in bucket.objects.filter(Prefix=prefix)],
    )


def test_what_has_a_row_is_not_stored_again_even_for_a_moment(two: Two, tile: bytes) -> None:
    ids, stored = [str(uuid4()) for _ in range(2)], list[Reference]()
    assert two.send(0, tile, ids[0]).status_code == 202
    with after_storing(two.at_hand[1], stored.extend):
        assert two.send(1, tile, ids[0]).status_code == 202
        assert stored == []
        assert two.send_batch(1, [tile] * 2, ids).status_code == 202
    assert len(stored) == 1
    assert len(two.rows()) == len(two.stored()) == 2


def test_twenty_at_once_through_two_apis_store_one_image(two: Two, tile: bytes) -> None:
    request_id = str(uuid4())
    start = threading.Barrier(20)

    def sent(number: int) -> Any:
        start.wait()
        return two.send(number % 2, tile, request_id)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(sent, range(20)))
    assert {answer.status_code for answer in answers} == {202}
    [row] = two.rows()
    assert {answer.json["id"] for answer in answers} == {row["id"]}
    assert two.stored() == [tile]
    assert two.apps[0].test_client().get(f"/images/{request_id}").data == tile


def test_who_loses_a_race_gets_the_winners_row_and_leaves_its_image_alone(
    two: Two, tile: bytes
) -> None:
    request_id = str(uuid4())
    with after_storing(two.at_hand[0], lambda _: two.send(1, tile, request_id)):
        answer = two.send(0, tile, request_id)
    [row] = two.rows()
    assert (answer.status_code, answer.json["id"]) == (202, row["id"])
    assert two.stored() == [tile]
    assert two.apps[0].test_client().get(f"/images/{request_id}").data == tile


def test_who_loses_a_race_to_another_image_is_told_so(two: Two, tiles: list[Path]) -> None:
    mine, other = tiles[0].read_bytes(), tiles[1].read_bytes()
    request_id = str(uuid4())
    with after_storing(two.at_hand[0], lambda _: two.send(1, other, request_id)):
        answer = two.send(0, mine, request_id)
    assert (answer.status_code, answer.json["code"]) == (409, "request_id_taken")
    assert two.stored() == [other]


def test_a_deletion_that_ends_late_takes_no_image_that_came_meanwhile(
    two: Two, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = str(uuid4())
    address = f"/results/{request_id}"
    assert two.send(0, tile, request_id).status_code == 202
    delete = two.at_hand[0].images.delete
    others: list[int] = []

    def slow(reference: Reference) -> None:
        delete(reference)
        others.append(two.apps[1].test_client().delete(address).status_code)  # tried again
        others.append(two.send(1, tile, request_id).status_code)

    monkeypatch.setattr(two.at_hand[0].images, "delete", slow)
    assert two.apps[0].test_client().delete(address).status_code == 204
    assert others == [204, 202]
    assert (len(two.rows()), two.stored()) == (1, [tile])
    assert two.apps[0].test_client().get(f"/images/{request_id}").data == tile


def test_batches_that_cross_each_other_are_both_accepted_whole(two: Two, tiles: list[Path]) -> None:
    images, ids = [path.read_bytes() for path in tiles[:20]], [str(uuid4()) for _ in range(20)]
    start = threading.Barrier(4)

    def sent(number: int) -> Any:
        start.wait()  # half of them in the opposite order: two transactions may block each other
        step = 1 if number < 2 else -1
        return two.send_batch(number % 2, images[::step], ids[::step]).json["results"][::step]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(sent, range(4)))
    of_ids = {row["request_id"]: row["id"] for row in two.rows()}
    assert len(of_ids) == 20
    for results in answers:
        assert [result["id"] for result in results] == [of_ids[one] for one in ids]
    assert sorted(two.stored()) == sorted(images)


def test_a_lost_race_is_nobody_elses_in_the_commit(two: Two, tiles: list[Path]) -> None:
    images, request_id = [path.read_bytes() for path in tiles[:4]], str(uuid4())
    other = str(uuid4())
    insert = two.at_hand[0].predictions.insert
    sizes: list[int] = []

    def inserted(rows: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) == 3:  # the commit that they share, which was looked through for ids before
            two.send(1, images[0], request_id)
        return insert(rows)

    two.at_hand[0].predictions.insert = inserted  # type: ignore[method-assign]
    answers = in_one_commit(
        two.at_hand[0],
        lambda: two.send(0, images[3]),
        [
            lambda: two.send(0, images[0], request_id),
            lambda: two.send(0, images[1], other),
            lambda: two.send(0, images[2]),
        ],
    )
    assert sizes == [1, 3, 2]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [answer.json["request_id"] for answer in answers[:2]] == [request_id, other]
    assert len(two.rows()) == 4
    assert sorted(two.stored()) == sorted(images)


def test_of_one_id_in_one_commit_the_first_is_kept(two: Two, tiles: list[Path]) -> None:
    images, request_id = [path.read_bytes() for path in tiles[:3]], str(uuid4())
    answers = in_one_commit(
        two.at_hand[0],
        lambda: two.send(0, images[2]),
        [
            lambda: two.send(0, images[0], request_id),
            lambda: two.send(0, images[0], request_id),
            lambda: two.send(0, images[1], request_id),
            lambda: two.send(0, images[1]),
        ],
    )
    assert [answer.status_code for answer in answers] == [202, 202, 409, 202]
    assert answers[0].json["id"] == answers[1].json["id"]
    assert len(two.rows()) == 3
    assert sorted(two.stored()) == sorted(images)


def test_who_chooses_no_id_asks_the_database_nothing_more(
    two: Two, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = two.at_hand[0].admission  # it looks now and then, for all: see test_admission
    admission.most_images = 0
    admission.most_age_s = 0
    asked: list[str] = []
    for method in ("query", "insert_many"):
        real = getattr(Database, method)

        def noted(self: Database, sql: str, *rest: Any, real: Any = real) -> Any:
            asked.append(sql.split()[0])
            return real(self, sql, *rest)

        monkeypatch.setattr(Database, method, noted)
    assert two.send(0, tile).status_code == 202
    assert asked == ["INSERT"]


def test_an_image_keeps_its_row_though_the_database_could_not_say_so(
    two: Two, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = Predictions.insert

    def cut_off(self: Predictions, rows: Any) -> None:
        insert(self, rows)
        raise StoreError("database: the connection was closed")

    request_id = str(uuid4())
    with monkeypatch.context() as patched:
        patched.setattr(Predictions, "insert", cut_off)
        assert two.send(0, tile, request_id).status_code == 503
    [row] = two.rows()
    again = two.send(0, tile, request_id)
    assert (again.status_code, again.json["id"]) == (202, row["id"])
    assert two.stored() == [tile]


def test_an_image_without_a_row_is_taken_back(
    two: Two, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreError("database: away")

    request_id = str(uuid4())
    with monkeypatch.context() as patched:
        patched.setattr(Predictions, "insert", away)
        assert two.send(0, tile, request_id).status_code == 503
    assert two.stored() == []
    assert two.send(0, tile, request_id).status_code == 202
