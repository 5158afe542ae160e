"""The serverless lane on this machine: events repeated and mixed, functions and database killed.

Real handlers under AWS's runtime client, a real S3-compatible store and PostgreSQL; SQS and what
hands its batches to the function are bench/lambda_lane's.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest import mock

import requests

from bench.lambda_lane.bucket import PREFIX, hook_url
from bench.lambda_lane.lane import LambdaLane, running_lane
from bench.lambda_lane.limits import LaneLimits
from bench.lambda_lane.queue import Queue
from local.ports import free_ports
from local.postgres import EmbeddedPostgres
from local.s3 import BUCKET, s3_server
from store.database import Database
from store.images import S3Images
from store.migrations import migrate
from store.references import Reference
from tests.chaos import audit
from tests.chaos.burst import probe
from tests.chaos.experiment import Strike, experiment
from tests.chaos.program import Program
from tests.stack import until

STALE_AFTER_S, START_AND_WORK_S = 3.0, 35.0
LIMITS = LaneLimits(
    api_timeout_s=10,
    infer_timeout_s=5,
    sweep_timeout_s=30,
    sweep_every_s=2,
    visibility_timeout_s=6,
    # Two cores: each environment of a function's is a process that has to start.
    api_reserved_concurrency=2,
    infer_max_concurrency=2,
    pollers_at_first=2,
)
TIMES = 3
FOUND_WITHIN_S = 20.0  # an environment may have to start
UNFINISHED = "SELECT id FROM predictions WHERE status IN ('pending', 'running') LIMIT 1"
JUNK = ("not JSON", "{}", json.dumps({"Event": "s3:TestEvent"}))


class Lane:
    """A place of experiments: the lane, and the PostgreSQL behind it."""

    # SQS delivers again what a killed function had, or the sweep takes it up; environments start.
    bound_s = max(LIMITS.visibility_timeout_s, STALE_AFTER_S + LIMITS.sweep_every_s)
    bound_s += START_AND_WORK_S

    def __init__(self, lane: LambdaLane, postgres: Program, deliver: Repeated) -> None:
        self.lane, self.postgres, self.deliver = lane, postgres, deliver
        self.url, self.database_url = lane.url, lane.database_url
        self._images = S3Images(BUCKET, "", lane.s3_url)

    def stored(self, key: str) -> bytes:
        """Return an object's bytes."""
        return self._images.get(Reference(key))

    def settle(self) -> None:
        """Wait until new work is taken up, and nothing is unfinished.

        What was stored for answers that got lost has to be finished, too.
        """
        until(self._works, self.bound_s)
        database = Database(self.database_url, size=1)
        until(lambda: not database.query(UNFINISHED), self.bound_s)
        database.close()

    def _works(self) -> bool:
        with suppress(requests.RequestException):
            return bool(probe(self.url))
        return False

    def at_work(self) -> list[int]:
        """Return the processes of the inferring function's environments that have a batch now."""
        pool = self.lane._pools["infer"]
        with pool._lock:
            busy = [one for one in pool._live if one.environment and one not in pool._idle]
            return [one.environment.pid for one in busy if one.environment]


class Repeated:
    """Has each event delivered so many times, and out of order."""

    def __init__(self) -> None:
        self.times = 1
        self.rng = random.Random(0)

    def sent(self, send: Callable[[Queue, str], None]) -> Callable[[Queue, str], None]:
        """Return what is called in place of ``Queue.send``."""

        def several(queue: Queue, body: str) -> None:
            for _ in range(self.times):
                send(queue, body)
            if self.times > 1:
                with queue._changed:
                    self.rng.shuffle(queue._visible)

        return several


@contextmanager
def running(folder: Path) -> Iterator[Lane]:
    """Run the lane with a PostgreSQL that can be struck, and the audit installed."""
    folder.mkdir(parents=True)
    postgres = EmbeddedPostgres(folder)
    postgres.prepare()
    server = Program(
        "postgres",
        postgres.command,
        folder / "postgres.log",
        prepare=postgres.prepare,
        ready=postgres.ready,
    )
    deliver = Repeated()
    [port] = free_ports(1)
    (folder / "s3").mkdir()
    variables = {"SKYLANE_STALE_AFTER_S": str(STALE_AFTER_S)}
    with ExitStack() as stack:
        server.up()
        stack.callback(server.down, signal.SIGINT)
        migrate(postgres.url)
        audit.install(postgres.url)
        stack.enter_context(mock.patch.dict(os.environ, variables))
        stack.enter_context(mock.patch.object(Queue, "send", deliver.sent(Queue.send)))
        s3_url = stack.enter_context(s3_server(folder / "s3", tell=hook_url(port), prefix=PREFIX))
        lane = stack.enter_context(
            running_lane(folder, LIMITS, stores=(postgres.url, s3_url), told_port=port)
        )
        place = Lane(lane, server, deliver)
        place.settle()  # an environment is there to be struck
        yield place


@experiment("serverless: each event delivered three times, in any order", place="serverless")
def events_repeated(strike: Strike) -> None:
    strike.world.deliver.rng = strike.rng
    strike.world.deliver.times = TIMES
    try:
        strike.moment()
        time.sleep(strike.burst.size.over_s)
    finally:
        strike.burst.finish()
        strike.world.deliver.times = 1


@experiment(
    "serverless: batches that succeed in part, among messages of no use", place="serverless"
)
def events_in_part(strike: Strike) -> None:
    strike.moment()
    until_s = time.monotonic() + strike.burst.size.over_s
    while time.monotonic() < until_s:
        strike.world.lane.queue.send(strike.rng.choice(JUNK))
        time.sleep(0.05)


@experiment("serverless: SIGKILL of the function mid-batch", place="serverless")
def function_killed(strike: Strike) -> None:
    strike.moment()
    _kill(strike, strike.world.at_work)


@experiment("serverless: SIGKILL of the API's function", place="serverless")
def function_of_api_killed(strike: Strike) -> None:
    strike.moment()
    _kill(strike, lambda: strike.world.lane.pids("api"))


@experiment("serverless: PostgreSQL restarted between and during invocations", place="serverless")
def database_restarted(strike: Strike) -> None:
    strike.moment()
    strike.world.postgres.down(strike.rng.choice((signal.SIGINT, signal.SIGKILL)))
    strike.outage()
    strike.world.postgres.up()


def _kill(strike: Strike, found: Callable[[], list[int]]) -> None:
    """Kill all environments that are found, as soon as there are some."""
    killed = 0
    until_s = time.monotonic() + FOUND_WITHIN_S
    while not killed and time.monotonic() < until_s:
        for pid in found():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.005)
    strike.notes["killed"] = killed
    assert killed, "there was none to kill"
