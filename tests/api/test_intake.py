"""What an upload leaves behind that could not be accepted."""

from __future__ import annotations

import base64
import gc
import io
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from api import create_app
from api.waiting import wanted_wait
from settings import Settings
from store.errors import StoreError
from store.notifications import Waiter
from tests.stack import until


@pytest.fixture
def app(tmp_path: Path, database_url: str, broker_url: str) -> Any:
    """Return an API in this process, with files for images."""
    chosen = Settings(home=tmp_path)
    return create_app(
        chosen.model_copy(update={"database_url": database_url, "broker_url": broker_url})
    )


def test_images_without_rows_are_taken_back(
    app: Any, tmp_path: Path, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreError("database: away")

    client = app.test_client()
    with monkeypatch.context() as patched:
        patched.setattr(app.extensions["skylane"].predictions, "insert", away)
        answer = client.post(
            "/upload_batch?wait=0", data={"files": [path.open("rb") for path in tiles[:3]]}
        )
        assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
    stored = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert stored == []
    again = client.post("/upload_batch?wait=0", data={"files": [tiles[0].open("rb")]})
    assert again.status_code == 202


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="of Linux")
def test_a_form_that_there_is_no_room_for_is_to_come_again(
    app: Any, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is large goes to a file of its own, and here that is on a disk without room.
    form = {"file": (io.BytesIO(tile + bytes(2_000_000)), "large.jpg")}
    with Path("/dev/full").open("w+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
        answer = app.test_client().post("/upload?wait=0", data=form)
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")


def test_who_waits_is_told_at_once_that_the_commit_failed(
    app: Any, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreError("database: away")

    monkeypatch.setattr(app.extensions["skylane"].predictions, "insert", away)
    began_s = time.monotonic()
    answer = app.test_client().post("/upload?wait=30", data=tile, content_type="image/jpeg")
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
    assert time.monotonic() - began_s < 10


def test_a_commit_that_outlasts_the_wait_is_waited_for(
    app: Any, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = app.extensions["skylane"].predictions
    insert, waited = predictions.insert, threading.Event()
    wait = Waiter.wait

    def late(rows: Any) -> Any:
        assert waited.wait(20)
        return insert(rows)

    def over(waiter: Waiter, timeout_s: float) -> Any:
        found = wait(waiter, timeout_s)
        waited.set()
        return found

    monkeypatch.setattr(predictions, "insert", late)
    monkeypatch.setattr(Waiter, "wait", over)
    client = app.test_client()
    answer = client.post("/upload?wait=0.2", data=tile, content_type="image/jpeg")
    assert (answer.status_code, answer.json["status"]) == (202, "pending")
    assert client.get(f"/results/{answer.json['request_id']}").json["status"] == "pending"


@pytest.mark.parametrize("way", ["image/jpeg", "application/json", "multipart/form-data"])
def test_who_waits_for_a_prediction_keeps_nothing_of_its_image(
    app: Any, tile: bytes, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    sent = image = tile + bytes(5_000_000)
    if way == "application/json":
        sent = b'{"image_base64": "%s"}' % base64.b64encode(image)
    elif way == "multipart/form-data":
        part = b'Content-Disposition: form-data; name="file"; filename="large.jpg"'
        sent = b"--B\r\n%s\r\n\r\n%s\r\n--B--\r\n" % (part, image)
    make_file = tempfile.TemporaryFile
    files: list[Any] = []
    open_files: list[Any] = []
    kept_bytes: list[int] = []

    def made(**options: Any) -> Any:
        files.append(make_file(**options))
        return files[-1]

    def look(_: Waiter, __: float) -> Any:
        until(lambda: not app.extensions["skylane"].admission._coming)
        gc.collect()
        open_files.extend(file for file in files if not file.closed)
        kept_bytes.append(tracemalloc.get_traced_memory()[0])
        return {}

    monkeypatch.setattr(tempfile, "TemporaryFile", made)
    monkeypatch.setattr(Waiter, "wait", look)
    client = app.test_client()
    tracemalloc.start()
    try:
        answer = client.post("/upload?wait=5", data=sent, content_type=f"{way}; boundary=B")
    finally:
        tracemalloc.stop()
    assert answer.status_code == 202
    assert len(files) == (way == "multipart/form-data")
    assert not open_files
    assert kept_bytes[0] < len(image) / 2


def test_who_waits_for_a_commit_that_failed_too_late_is_told_all_the_same(
    app: Any, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        time.sleep(0.5)
        raise StoreError("database: away")

    monkeypatch.setattr(app.extensions["skylane"].predictions, "insert", away)
    answer = app.test_client().post("/upload?wait=0.1", data=tile, content_type="image/jpeg")
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")


@pytest.mark.parametrize("wait_s", [0, 5])
def test_a_commit_that_failed_keeps_no_image(
    app: Any, tile: bytes, monkeypatch: pytest.MonkeyPatch, wait_s: int
) -> None:
    def away(*_: object) -> None:
        raise StoreError("database: away")

    monkeypatch.setattr(app.extensions["skylane"].predictions, "insert", away)
    client, sent = app.test_client(), tile + bytes(5_000_000)
    gc.disable()  # which may come soon, or late
    tracemalloc.start()
    try:
        answer = client.post(f"/upload?wait={wait_s}", data=sent, content_type="image/jpeg")
        assert answer.status_code == 503
        until(lambda: tracemalloc.get_traced_memory()[0] < len(sent) / 2, 3)
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize(("lane", "waits_s"), [("on-prem", 45), ("serverless", 20)])
def test_nobody_waits_for_longer_than_the_gateway(app: Any, lane: Any, waits_s: float) -> None:
    for query, headers in (("?wait=45", {}), ("", {"Prefer": "wait=45"})):
        with app.test_request_context(f"/upload{query}", headers=headers):
            assert wanted_wait(0, Settings(lane=lane).longest_wait_s) == waits_s
