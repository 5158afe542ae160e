"""`./run` as users start it, killed as a whole: its supervisor alone, or every process at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests

from local.leftovers import Record
from local.postgres import EmbeddedPostgres
from local.stack import RUNNING
from tests.chaos import audit
from tests.chaos.burst import probe
from tests.chaos.experiment import Strike, experiment
from tests.stack import WORKER, Stack, until

STALE_AFTER_S, SWEEP_EVERY_S, START_AND_WORK_S = 2.0, 0.25, 45.0
PARTS = ("postgres", "valkey", WORKER, "tasks.sweep", "api:create_app")


class Whole:
    """A place of experiments: the command, its address and its images."""

    # All of it has to start again, PostgreSQL after a crash.
    bound_s = STALE_AFTER_S + SWEEP_EVERY_S + START_AND_WORK_S

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.url = stack.url
        postgres = EmbeddedPostgres(stack.home)
        postgres.find()
        self.database_url = postgres.url

    def stored(self, key: str) -> bytes:
        """Return the bytes of an image in the store."""
        return (self.stack.home / "images" / key).read_bytes()

    def settle(self) -> None:
        """Wait until all parts are those of the present start, ready, and its worker has worked.

        What a killed start left running answers until the next one has ended it.
        """
        until(lambda: all(self.stack.pids(part) for part in PARTS), 60)
        until(self._ready, 60)
        until(self._works, 60)

    def _works(self) -> bool:
        """Say whether a worker of the present start took up a new image."""
        try:
            worker = probe(self.url).get("worker", "")
        except requests.RequestException:
            return False
        return worker.rpartition("-")[2] in map(str, self.stack.pids(WORKER))

    def _ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/ready", timeout=5).ok
        except requests.RequestException:
            return False


@contextmanager
def running(home: Path) -> Iterator[Whole]:
    """Run it, with the audit installed."""
    settings = {
        "SKYLANE_STALE_AFTER_S": str(STALE_AFTER_S),
        "SKYLANE_SWEEP_EVERY_S": str(SWEEP_EVERY_S),
    }
    with Stack(home, **settings) as stack:
        place = Whole(stack)
        audit.install(place.database_url)
        try:
            yield place
        finally:
            if stack.process and stack.process.poll() is not None:  # cut off before it was back
                Record(home / RUNNING).end_leftovers(print)


@experiment("SIGKILL of ./run's own process, the parent of all; ./run again", place="whole")
def parent_killed(strike: Strike) -> None:
    strike.moment()
    _kill_and_start(strike, [])


@experiment("SIGKILL of ./run and all its processes at once; ./run again", place="whole")
def all_killed(strike: Strike) -> None:
    strike.moment()
    supervisor = psutil.Process(strike.world.stack.process.pid)
    _kill_and_start(strike, supervisor.children(recursive=True))


def _kill_and_start(strike: Strike, children: list[psutil.Process]) -> None:
    stack = strike.world.stack
    stack.process.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            os.kill(child.pid, signal.SIGKILL)
    stack.process.wait()
    until(lambda: not any(_runs(child) for child in children))
    strike.outage()
    stack.start()
    strike.world.settle()


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
