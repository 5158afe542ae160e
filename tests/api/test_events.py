"""Whoever follows predictions is told of each change, once, and is never left waiting."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from api import create_app, events
from settings import Settings
from store.database import Database
from store.predictions import Predictions
from store.records import Outcome
from store.references import Reference
from tests.stack import WORKER, Stack, until

Accept = Callable[..., list[Reference]]
Event = tuple[str, dict[str, Any]]


def told(lines: Iterable[str]) -> Iterator[Event]:
    """Read a stream as a browser does: yield the type and data of each event."""
    event: dict[str, str] = {}
    for line in lines:
        if not line:
            if event.get("data"):
                yield event["event"], json.loads(event["data"])
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value


@contextlib.contextmanager
def stream(url: str, *request_ids: str) -> Iterator[requests.Response]:
    """Open a stream at a running API."""
    with requests.get(
        f"{url}/events", params={"request_id": request_ids}, stream=True, timeout=30
    ) as answer:
        yield answer


def followed(answer: requests.Response) -> list[Event]:
    return list(told(answer.iter_lines(decode_unicode=True, chunk_size=1)))


@pytest.fixture
def app(tmp_path: Path, database_url: str, broker_url: str) -> Any:
    """Return an API in this process, which has a place for one stream."""
    chosen = Settings(home=tmp_path, api_threads=4)
    return create_app(
        chosen.model_copy(update={"database_url": database_url, "broker_url": broker_url})
    )


class Following:
    """A stream of an API in this process, read in a thread of its own."""

    def __init__(self, app: Any, request_ids: list[str]) -> None:
        self.seen: list[Event] = []
        self.response = app.test_client().get(
            "/events", query_string={"request_id": request_ids}, buffered=False
        )
        assert self.response.status_code == 200
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        lines = (line for chunk in self.response.iter_encoded() for line in chunk.split(b"\n")[:-1])
        for event in told(line.decode() for line in lines):
            self.seen.append(event)
        self.response.close()

    def ends(self) -> list[str]:
        """Wait for its end, and return the states that were told of, and what else was."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return [data.get("status", name) for name, data in self.seen]


def finish(predictions: Predictions, *references: Reference) -> None:
    predictions.finish(
        [
            Outcome(key=key, version=version, predicted_label="Forest", confidence=0.9)
            for key, version in references
        ]
    )


def test_a_stream_tells_each_state_and_ends_with_the_last(stack: Stack, tile: bytes) -> None:
    with stack.frozen(WORKER):
        ids = [
            requests.post(f"{stack.url}/upload?wait=0", files={"file": tile}, timeout=30).json()[
                "request_id"
            ]
            for _ in range(3)
        ]
        with stream(stack.url, *ids) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Accel-Buffering"] == "no"
            pending = told(answer.iter_lines(decode_unicode=True, chunk_size=1))
            first = [next(pending) for _ in ids]
    assert {data["status"] for _, data in first} == {"pending"}
    assert {data["request_id"] for _, data in first} == set(ids)
    with stream(stack.url, *ids) as answer:
        *seen, last = followed(answer)
    assert last == ("end", {})
    final = {data["request_id"]: data for _, data in seen}
    assert final.keys() == set(ids)
    for request_id, data in final.items():
        asked = requests.get(f"{stack.url}/results/{request_id}", timeout=30).json()
        # How long recording took is written after the row is; the stream may have been told
        # of it in between.
        late = {"record_ms", "latency_ms"} if data["record_ms"] is None else set()
        assert {name: value for name, value in data.items() if name not in late} == {
            name: value for name, value in asked.items() if name not in late
        }
        assert asked["status"] == "done"


def test_every_change_is_told_once_and_in_order(
    app: Any, predictions: Predictions, accept: Accept
) -> None:
    [reference] = accept()
    following = Following(app, [reference.key])
    until(lambda: following.seen)
    predictions.claim([reference], "w", 30)
    until(lambda: len(following.seen) == 2)
    finish(predictions, reference)
    assert following.ends() == ["pending", "running", "done", "end"]


def test_what_is_finished_is_told_at_once_to_all_who_follow_it(
    app: Any, predictions: Predictions, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = app.extensions["skylane"].finished
    references = accept(5)
    ids = [reference.key for reference in references]
    with finished.watch(ids) as waiter, finished.follow(ids[:2]):
        following = Following(app, ids)
        until(lambda: len(following.seen) == 5)
        monkeypatch.setattr(events, "LOOK_EVERY_S", 60)
        time.sleep(0.6)  # for the look that is on its way; the next one is a minute off
        finish(predictions, *references)
        assert following.ends()[5:] == ["done"] * 5 + ["end"]
        assert waiter.wait(5).keys() == set(ids)


def test_an_image_that_is_not_here_yet_is_waited_for(
    app: Any, predictions: Predictions, accept: Accept
) -> None:
    request_id = str(uuid4())
    following = Following(app, [request_id])
    [reference] = accept()
    predictions._database.query("UPDATE predictions SET request_id = %s", (request_id,))
    until(lambda: following.seen)
    finish(predictions, reference)
    assert following.ends() == ["pending", "done", "end"]


def test_what_is_deleted_is_waited_for_no_longer(
    app: Any, predictions: Predictions, accept: Accept
) -> None:
    [reference] = accept()
    following = Following(app, [reference.key])
    until(lambda: following.seen)
    predictions.delete(predictions.newest(1)[0]["id"])
    assert following.ends() == ["pending", "end"]


def test_a_stream_outlives_the_databases_connections(
    app: Any, predictions: Predictions, accept: Accept, database: Database
) -> None:
    [reference] = accept()
    following = Following(app, [reference.key])
    until(lambda: following.seen)
    database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    finish(predictions, reference)
    assert following.ends() == ["pending", "done", "end"]


def test_silence_is_broken_and_no_stream_lasts_for_ever(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SILENCE_S", 0.0)
    monkeypatch.setattr(events, "LONGEST_S", 1.2)
    answer = app.test_client().get(f"/events?request_id={uuid4()}")
    assert answer.text.startswith("retry: 1000\n\n: ")
    assert "event:" not in answer.text  # and no end: its client comes again


def test_there_are_places_for_some_streams_and_who_leaves_makes_room(app: Any) -> None:
    path = f"/events?request_id={uuid4()}"
    client = app.test_client()
    for _ in range(2):
        first = client.get(path, buffered=False)
        refused = client.get(path)
        assert (refused.status_code, refused.json["code"]) == (503, "too_many_streams")
        assert int(refused.headers["Retry-After"]) > 0
        first.close()


def test_a_client_that_closes_its_connection_frees_its_place(stack: Stack) -> None:
    def opened() -> bool:
        answer = open_streams.enter_context(stream(stack.url, str(uuid4())))
        return answer.status_code == 200

    with contextlib.ExitStack() as open_streams:
        assert [opened() for _ in range(13)] == [True] * 12 + [False]  # of 96 threads, an eighth
    with contextlib.ExitStack() as open_streams:
        started = time.monotonic()
        for _ in range(12):
            until(opened)
        assert time.monotonic() - started < events.SILENCE_S / 2


@pytest.mark.parametrize("ids", [[], ["x"], [str(uuid4()) for _ in range(101)]], ids=len)
def test_an_absurd_list_of_ids_is_refused_by_name(api_url: str, ids: list[str]) -> None:
    answer = requests.get(f"{api_url}/events", params={"request_id": ids}, timeout=30)
    assert answer.status_code == 422
    assert "request_id" in answer.json()["detail"]


def test_a_hundred_can_be_followed_at_once(api_url: str) -> None:
    def taken() -> bool:
        with stream(api_url, *(str(uuid4()) for _ in range(100))) as answer:
            assert answer.status_code in (200, 503)  # as long as others' places are not free again
            return answer.status_code == 200

    until(taken, limit_s=10)


def test_an_open_stream_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with Stack(tmp_path / "home") as own, stream(own.url, str(uuid4())) as answer:
        started = time.monotonic()
        assert own.stop() == 0
        assert time.monotonic() - started < 10  # its requests may have 15 s
        assert followed(answer) == []
