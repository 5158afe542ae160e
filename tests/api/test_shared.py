"""A store that hangs holds one thread, and not each that wants to know whether it answers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from itertools import islice
from typing import Any

import psycopg2
import pytest
from celery import Celery
from kombu.exceptions import ConnectionLimitExceeded

from api import shared
from tasks import celery_app

MANY = 24


def asked_by_many(pool: ThreadPoolExecutor, app: Any) -> Iterator[dict[str, Any]]:
    """Have many ask at once what of ``app`` is ready; yield what they are told, as it comes."""
    asked = [pool.submit(lambda: app.test_client().get("/ready")) for _ in range(MANY)]
    for answer in as_completed(asked, timeout=4):  # less than what hangs may take
        yield answer.result().json["components"]


def test_a_broker_that_hangs_holds_one_request(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "PATIENCE_S", 0.1)
    with (
        ThreadPoolExecutor(MANY) as pool,
        socket.create_server(("127.0.0.1", 0), backlog=100) as hangs,  # and is closed first
    ):
        url = f"redis://127.0.0.1:{hangs.getsockname()[1]}"
        monkeypatch.setattr(celery_app, "app", Celery(broker=url, set_as_current=False))
        for told in islice(asked_by_many(pool, make(access="keys")), MANY - 1):
            assert told["broker"] == {"ok": False, "detail": "does not answer"}


def test_a_database_that_hangs_holds_one_request(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, database_url: str, broker_url: str
) -> None:
    monkeypatch.setattr(shared, "PATIENCE_S", 0.1)
    monkeypatch.setattr(celery_app, "app", Celery(broker=broker_url, set_as_current=False))
    with (
        ThreadPoolExecutor(MANY) as pool,
        closing(psycopg2.connect(database_url)) as holder,
    ):
        holder.cursor().execute("LOCK TABLE predictions")
        told = asked_by_many(pool, make(access="keys"))
        assert not any(next(told)["database"]["ok"] for _ in range(MANY - 1))
        holder.rollback()
        assert next(told)["database"]["ok"]


def test_nobody_waits_for_ever_for_a_connection_to_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(celery_app, "BROKER_TIMEOUT_S", 0.1)
    app = Celery("busy", broker="redis://127.0.0.1:1", set_as_current=False)
    app.conf.broker_pool_limit = 1
    monkeypatch.setattr(celery_app, "app", app)
    with app.pool.acquire(), pytest.raises(ConnectionLimitExceeded):
        celery_app.queue_depth()


def test_who_comes_while_it_is_asked_has_the_same_answer_and_who_comes_later_a_new_one() -> None:
    asked, come, all_here = [], threading.Event(), threading.Barrier(9)

    def ask() -> int:
        asked.append(0)
        come.wait(9)
        return len(asked)

    def once_all_are_here() -> int:
        all_here.wait(9)
        return depth()

    depth = shared.Shared(ask)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(once_all_are_here) for _ in range(8)]
        all_here.wait(9)
        time.sleep(0.1)  # for the step from there to the question
        come.set()
        assert [one.result() for one in answers] == [1] * 8
    assert depth() == 2


def test_nobody_waits_for_what_failed_the_last_time_and_it_is_asked_again() -> None:
    asking, answer = threading.Event(), threading.Event()
    outcomes: list[Callable[[], int]] = [lambda: 1 // 0, lambda: 5, lambda: 6]

    def ask() -> int:
        if len(outcomes) < 3:
            asking.set()
            answer.wait(9)
        return outcomes.pop(0)()

    depth = shared.Shared(ask)
    with pytest.raises(ZeroDivisionError):
        depth()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(depth)
        assert asking.wait(9)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            depth()
        assert time.monotonic() - started < shared.PATIENCE_S / 2
        answer.set()
        assert first.result() == 5
    assert depth() == 6
