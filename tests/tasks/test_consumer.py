"""QuietConsumer: what a worker tells of its tasks arrives, if late, whatever the broker does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.connection import Connection

from settings import ROOT
from tasks.celery_app import app as ours
from tests.stack import until
from tests.tasks import telling

FLUSH_EVERY_S = 0.5
NEVER_S = 600.0
WHOLE = ["task-received", "task-started", "task-succeeded"]
NAME = "worker@telling"


class Told:
    """What arrives at a monitor, as Flower is one."""

    def __init__(self, broker_url: str) -> None:
        self.app = Celery("told", broker=broker_url, set_as_current=False)
        self.events: list[dict[str, Any]] = []
        self._over = threading.Event()
        self.hears = threading.Event()  # so its connections are there
        connect: Any = Connection
        self._connection = connect(broker_url)
        self._client = self._connection.channel().client
        self._thread = threading.Thread(target=self._hear)
        self._thread.start()

    def _hear(self) -> None:
        with self.app.connection_for_read() as connection:
            receiver = self.app.events.Receiver(connection, handlers={"*": self._take})
            with receiver.consumer_context() as (listening, _, _):
                while not self._over.is_set():
                    with suppress(TimeoutError):
                        listening.drain_events(timeout=0.1)
                    self.hears.set()

    def _take(self, event: dict[str, Any]) -> None:
        if event["hostname"] == NAME:
            self.events.append(event)

    def of(self, task_id: str) -> list[str]:
        """Return what was told of a task, in the order of what happened."""
        own = [one for one in self.events if one.get("uuid") == task_id]
        return [one["type"] for one in sorted(own, key=lambda one: int(one["clock"]))]

    def started(self) -> int:
        """Return how often the worker said that it is there: once, and after each reconnect."""
        return sum(one["type"] == "worker-online" for one in self.events)

    def clients(self) -> set[int]:
        """Return who is connected to the broker."""
        return {int(one["id"]) for one in self._client.client_list()}

    def cut_off(self, clients: set[int]) -> None:
        """Close their connections."""
        for one in clients:
            self._client.client_kill_filter(_id=str(one))

    def send(self, name: str, *arguments: Any) -> str:
        """Have the worker do something; return the task's id."""
        sent = self.app.send_task(f"tests.tasks.telling.{name}", arguments, queue=telling.QUEUE)
        return str(sent.id)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._connection.release()


@pytest.fixture
def told(broker_url: str) -> Iterator[Told]:
    told = Told(broker_url)
    yield told
    told.close()


@contextmanager
def working(broker_url: str, told: Told, flush_every_s: float) -> Iterator[set[int]]:
    """Run a worker; give its connections, as they are at first. It ends in order."""
    told.send("sleep", 0)  # so that all connections of ours are there before
    assert told.hears.wait(30)
    before = told.clients()
    command = [sys.executable, "-m", "celery", "--app=tests.tasks.telling", "worker"]
    command += [f"--hostname={NAME}", "--without-mingle", "--without-gossip", "--loglevel=ERROR"]
    variables = {"BROKER_URL": broker_url, "FLUSH_EVERY_S": str(flush_every_s)}
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | variables)
    try:
        until(lambda: told.started() == 1)
        yield told.clients() - before
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def test_what_is_tested_here_is_what_our_workers_are() -> None:
    assert (ours.events_cls, ours.conf.worker_consumer) == (telling.EVENTS, telling.CONSUMER)


def test_events_come_by_themselves_before_a_reconnect_and_after_it_by_one_timer(
    broker_url: str, told: Told, tmp_path: Path
) -> None:
    with working(broker_url, told, FLUSH_EVERY_S) as connections:
        for times in (1, 2, 3):
            task_id = told.send("sleep", 0)
            until(lambda task_id=task_id: told.of(task_id) == WHOLE)
            told.send("count_timers", str(tmp_path / f"{times}"))
            until((tmp_path / f"{times}").is_file)
            until(lambda times=times: (tmp_path / f"{times}").read_text() == "1")
            if times < 3:
                before = told.clients()
                told.cut_off(connections)
                until(lambda times=times: told.started() == times + 1)
                connections = told.clients() - before


def test_what_waited_to_be_told_survives_a_reconnect_and_the_end(
    broker_url: str, told: Told, tmp_path: Path
) -> None:
    with working(broker_url, told, NEVER_S) as connections:
        going_on, done = told.send("sleep", 4), told.send("sleep", 0)
        told.send("count_timers", str(tmp_path / "after"))
        until((tmp_path / "after").is_file)
        time.sleep(2 * FLUSH_EVERY_S)
        assert told.of(done) == told.of(going_on) == []  # it waits
        told.cut_off(connections)
        until(lambda: told.started() == 2)
        until(lambda: told.of(done) == WHOLE)
        assert told.of(going_on) == WHOLE[:2]
    until(lambda: told.of(going_on) == WHOLE)
