"""Beyond a limit uploads are refused, whole, with a time to come again; and then they are taken."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from api import create_app, metrics, uploads
from api.admission import READ_AT_ONCE, Admission, Overloaded
from local.s3 import BUCKET
from settings import ROOT, Settings
from store.database import Database
from store.errors import StoreError
from store.images import FileImages
from store.references import Reference
from store.statistics import Backlog, Statistics
from tests.stack import until

NEVER_S = 3600.0
Make = Callable[..., Any]


@pytest.fixture
def make(tmp_path: Path, database_url: str, broker_url: str) -> Make:
    """Return a function that makes an API in this process, with nobody to work behind it."""

    def made(look_every_s: float = 0.0, **changes: Any) -> Any:
        chosen = Settings(home=tmp_path).model_copy(
            update={"database_url": database_url, "broker_url": broker_url, **changes}
        )
        app = create_app(chosen)
        app.extensions["skylane"].admission._look_every_s = look_every_s
        return app

    return made


def upload(app: Any, tile: bytes) -> Any:
    return app.test_client().post("/upload?wait=0", data=tile, content_type="image/jpeg")


def batch(app: Any, paths: list[Path]) -> Any:
    return app.test_client().post(
        "/upload_batch?wait=0", data={"files": [path.open("rb") for path in paths]}
    )


def test_beyond_the_limit_uploads_are_refused_until_there_is_room(
    make: Make, database: Database, tile: bytes, tmp_path: Path
) -> None:
    app = make(max_queued=2)
    assert [upload(app, tile).status_code for _ in range(3)] == [202, 202, 429]
    refused = upload(app, tile)
    assert (refused.json["code"], refused.content_type) == (
        "overloaded",
        "application/problem+json",
    )
    assert 1 <= int(refused.headers["Retry-After"]) <= 30
    stored = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert len(stored) == 2
    database.query(
        "UPDATE predictions SET status = 'failed', error_code = 'x', finished_at = now()"
        " WHERE id = (SELECT min(id) FROM predictions)"
    )
    until(lambda: upload(app, tile).status_code == 202)
    assert upload(app, tile).status_code == 429


def test_a_batch_is_taken_whole_or_not_at_all(make: Make, tiles: list[Path]) -> None:
    app = make(max_queued=5)
    # There is room for one, so there is for all: the limit is exceeded by one batch at most.
    assert [batch(app, tiles[:4]).status_code for _ in range(3)] == [202, 202, 429]
    assert app.extensions["skylane"].statistics.backlog().unfinished == 8


def test_large_images_that_a_slow_disk_has_not_got_are_bounded_and_keep_no_small_one_waiting(
    make: Make, tile: bytes, tiles: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make(max_body_bytes=3_000_000)
    put, go_on = FileImages.put, threading.Event()

    def slow(store: FileImages, key: str, data: bytes, content_type: str) -> Reference:
        assert len(data) < 100_000 or go_on.wait(20)
        return put(store, key, data, content_type)

    def large() -> Any:  # two megabytes, of more images than are written side by side
        files = [(BytesIO(tile + bytes(200_000)), f"{number}.jpg") for number in range(10)]
        return app.test_client().post("/upload_batch?wait=0", data={"files": files})

    monkeypatch.setattr(FileImages, "put", slow)
    with ThreadPoolExecutor(3) as threads:
        taken = [threads.submit(large) for _ in range(2)]
        until(lambda: app.extensions["skylane"].admission._coming == 20)
        refused = large()
        assert (refused.status_code, refused.json["code"]) == (429, "overloaded")
        assert 1 <= int(refused.headers["Retry-After"]) <= 5
        small = [threads.submit(upload, app, tile), threads.submit(batch, app, tiles[:9])]
        assert [one.result(10).status_code for one in small] == [202, 202]
        go_on.set()
        assert [one.result(20).status_code for one in taken] == [202, 202]
    assert large().status_code == 202
    stored = [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert len(stored) == 10 + 3 * 10


def test_no_more_large_requests_are_read_at_once_than_there_are_places(
    make: Make, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, decode = make(), uploads._from_base64
    reading, many, small_came = [0], threading.Event(), threading.Event()

    def slow(text: str) -> bytes:
        reading[0] += 1
        if reading[0] > READ_AT_ONCE:
            many.set()
        try:
            assert small_came.wait(20)
            return decode(text)
        finally:
            reading[0] -= 1

    def large() -> int:
        image = base64.b64encode(tile + bytes(1_000_000)).decode()
        answer = app.test_client().post("/upload?wait=0", json={"image_base64": image})
        return int(answer.status_code)

    monkeypatch.setattr(uploads, "_from_base64", slow)
    with ThreadPoolExecutor(6) as threads:
        answers = [threads.submit(large) for _ in range(6)]
        until(lambda: reading[0] >= READ_AT_ONCE)
        assert upload(app, tile).status_code == 202
        too_many = many.wait(0.3)
        small_came.set()
        assert [one.result(20) for one in answers] == [202] * 6
    assert not too_many


def test_a_burst_between_two_looks_does_not_exceed_the_limit(make: Make, tile: bytes) -> None:
    app = make(look_every_s=NEVER_S, max_queued=10)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: upload(app, tile).status_code, range(40)))
    assert sorted(answers) == [202] * 10 + [429] * 30
    assert app.extensions["skylane"].statistics.backlog().unfinished == 10


def test_what_could_not_be_stored_takes_no_room(
    make: Make, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreError("database: away")

    app = make(look_every_s=NEVER_S, max_queued=1)
    with monkeypatch.context() as patched:
        patched.setattr(app.extensions["skylane"].predictions, "insert", away)
        assert [upload(app, tile).status_code for _ in range(3)] == [503] * 3
    assert [upload(app, tile).status_code for _ in range(2)] == [202, 429]


def test_where_no_thread_can_be_started_no_room_is_lost(
    make: Make, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    app = make(look_every_s=NEVER_S, max_queued=1)
    with monkeypatch.context() as patched:
        patched.setattr("batching.threading.Thread.start", no_more)
        assert [upload(app, tile).status_code for _ in range(3)] == [500] * 3
    assert [upload(app, tile).status_code for _ in range(2)] == [202, 429]


def test_behind_an_image_that_nobody_begins_uploads_are_refused(
    make: Make, database: Database, tile: bytes
) -> None:
    app = make(max_queue_age_s=60.0)
    assert upload(app, tile).status_code == 202
    database.query("UPDATE predictions SET accepted_at = accepted_at - interval '2 minutes'")
    until(lambda: upload(app, tile).status_code == 429)
    # One that its workers died over waits for longer, and says nothing of the queue.
    database.query("UPDATE predictions SET attempts = 1, worker = 'dead'")
    until(lambda: upload(app, tile).status_code == 202)


def test_in_the_cloud_too_and_a_form_is_refused_as_well(
    make: Make, tile: bytes, s3_endpoint: str
) -> None:
    images = {"images_url": f"s3://{BUCKET}/images", "s3_endpoint_url": s3_endpoint}
    app = make(max_queued=1, lane="serverless", access="open", **images)
    form = app.test_client().post("/uploads/presign", json={})
    assert form.status_code == 200
    assert [upload(app, tile).status_code for _ in range(2)] == [202, 429]
    for path, body in (("presign", {}), ("complete", {"key": form.json["key"]})):
        on_prem = make(max_queued=1, **images)
        answer = on_prem.test_client().post(f"/uploads/{path}", json=body)
        assert (answer.status_code, answer.json["code"]) == (429, "overloaded")
    until(lambda: app.test_client().post("/uploads/presign", json={}).status_code == 429)


def test_refusals_and_limits_are_told(make: Make, tile: bytes) -> None:
    app = make(max_queued=1)
    before = next(iter(metrics.refused.collect())).samples[0].value
    upload(app, tile)
    upload(app, tile)
    stats = app.test_client().get("/stats").json
    assert (stats["max_queued"], stats["max_queue_age_s"], stats["uploads_refused"]) == (1, 3600, 1)
    after = app.test_client().get("/metrics").text
    assert "skylane_queue_limit_images 1.0" in after
    assert "skylane_queue_limit_seconds 3600.0" in after
    assert _refused(after) == before + 1


def _refused(told: str) -> float:
    [line] = [
        line for line in told.splitlines() if line.startswith("skylane_uploads_refused_total ")
    ]
    return float(line.split()[1])


def test_without_limits_nobody_looks(database: Database) -> None:
    def look() -> Backlog:
        raise AssertionError("it looked")

    admission = Admission(look, most_images=0, most_age_s=0)
    admission.enter(1_000_000, 0)
    admission.check(None)


def test_who_is_refused_is_told_to_come_back_while_the_queue_drains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, finished_per_s = [1.0], [0.0]
    monkeypatch.setattr("api.admission.time.monotonic", lambda: now[0])
    admission = Admission(
        lambda: Backlog(unfinished=1000, finished_per_s=finished_per_s[0], oldest_s=0.0),
        most_images=1000,
        most_age_s=0,
    )

    def told() -> set[int]:
        answers = set()
        for _ in range(100):
            with pytest.raises(Overloaded) as refused:
                admission.check(None)
            answers.add(refused.value.retry_after_s)
        return answers

    assert told() == {1}  # it has just begun to look
    now[0], finished_per_s[0] = 10.0, 100.0  # it is drained in ten seconds
    answers = told()
    assert min(answers) >= 2
    assert max(answers) <= 8
    assert len(answers) > 2  # not all at once
    now[0], finished_per_s[0] = 20.0, 10_000.0
    assert told() == {1}
    now[0], finished_per_s[0] = 24.0, 0.0
    assert told() == {4}
    now[0] = 100.0
    assert told() == {10}  # nobody works


def test_a_look_that_took_long_or_failed_is_soon_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, takes_s, away, unfinished, looks = [1.0], 0.0, False, 0, 0
    monkeypatch.setattr("api.admission.time.monotonic", lambda: now[0])

    def look() -> Backlog:
        nonlocal looks
        looks += 1
        now[0] += takes_s
        if away:
            raise StoreError("database: away")
        return Backlog(unfinished=unfinished, finished_per_s=50.0, oldest_s=0.0)

    def burst() -> None:
        for _ in range(90):
            admission.enter(1, 0)
            admission.left(1, 0, 1)

    admission = Admission(look, most_images=100, most_age_s=0)
    burst()
    for takes_s, away in ((15.0, False), (15.0, True), (0.0, True)):
        now[0] += 20
        admission.check(None)
        takes_s, away = 0.0, False
        now[0] += 2  # what came before is all done by now
        burst()
    takes_s, away = 15.0, True  # nothing is known, and all are let in
    admission = Admission(look, most_images=100, most_age_s=0)
    admission.check(None)
    looked = looks
    admission.check(None)
    assert looks == looked  # for a second
    takes_s, away, unfinished = 0.0, False, 1000
    now[0] += 1
    with pytest.raises(Overloaded):
        admission.check(None)


def test_the_depth_costs_one_look_however_many_ask(database: Database, accept: Any) -> None:
    accept(3)
    looks = []

    def look() -> Backlog:
        looks.append(1)
        return Statistics(database).backlog()

    admission = Admission(look, most_images=10, most_age_s=0, look_every_s=NEVER_S)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: admission.check(None), range(200)))
    assert len(looks) == 1


def test_classify_comes_back_until_all_is_taken(
    make: Make, database: Database, tiles: list[Path]
) -> None:
    app = make(max_queued=1)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        command = [sys.executable, "-m", "cli", "classify", *map(str, tiles[:4])]
        classify = subprocess.Popen(
            [*command, "--batch-size=2", f"--url={url}"], cwd=ROOT, stdout=subprocess.PIPE
        )
        until(lambda: app.extensions["skylane"].admission.refused)
        until(lambda: _worked(database) and classify.poll() is not None)
    finally:
        server.shutdown()
    assert b"4 images: 0 done, 4 failed" in classify.communicate()[0]


def _worked(database: Database) -> bool:
    database.query(
        "UPDATE predictions SET status = 'failed', error_code = 'x', finished_at = now()"
        " WHERE status = 'pending'"
    )
    return True
