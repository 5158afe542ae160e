"""The on-prem lane of which each process can be struck: `./run`'s, with two workers, no Flower."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import redis
import requests

from local import programs
from local.broker import EmbeddedBroker
from local.ports import answers, free_ports
from local.postgres import EmbeddedPostgres
from settings import Settings
from store.migrations import migrate
from tests.chaos import audit
from tests.chaos.burst import probe
from tests.chaos.clock import Clock
from tests.chaos.program import Program
from tests.chaos.proxy import Proxy

HOOKS = Path(__file__).parent / "hooks"
# Programs start, connect and work again within this, besides what the settings say.
START_AND_WORK_S = 25.0
SERVE_LIMIT_S = 40.0
QUEUE = "skylane"
QUICK = {"stale_after_s": 2.0, "sweep_every_s": 0.25}


class World:
    """Real processes, each kept running. ``with`` it."""

    def __init__(self, home: Path, **chosen: float) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.clock, self.clock_s = Clock(home), 0
        self._answering: tuple[int, set[int]] = (0, set())  # gunicorn's own, and its children
        self.armed = home / "armed"
        self.images = home / "images"
        for folder in (self.armed, self.images, home / "logs"):
            folder.mkdir(exist_ok=True)
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._postgres, self._broker = EmbeddedPostgres(home), EmbeddedBroker(home)
        self._postgres.prepare()
        self._broker.prepare()
        self.broker_socket = self._broker.url.removeprefix("redis+socket://")
        self.proxy = Proxy(self.broker_socket)  # the second worker's way to the broker
        self.settings = Settings(home=home, api_port=port, **chosen).model_copy(  # type: ignore[arg-type]
            update={"database_url": self._postgres.url, "broker_url": self._broker.url}
        )
        self._env = self.clock.env
        self.postgres = Program(
            "postgres",
            self._postgres.command,
            home / "logs" / "postgres.log",
            env=self._env,
            prepare=self._postgres.prepare,
            ready=self._postgres.ready,
        )
        self.broker = self._program("broker", self._broker.command, ready=self._broker.ready)
        self.api = self._program(
            "api", programs.api(self.settings), ready=lambda: answers("127.0.0.1", port, "/health")
        )
        command = programs.worker(self.settings)
        self.workers = [
            self._program("worker-1", command),
            self._program("worker-2", command, BROKER_URL=self.proxy.url),
        ]
        self.sweep = self._program("sweep", programs.sweep(self.settings))

    @property
    def database_url(self) -> str:
        """The database's address."""
        return self.settings.database_url

    def stored(self, key: str) -> bytes:
        """Return the bytes of an image in the store."""
        return (self.images / key).read_bytes()

    @property
    def bound_s(self) -> float:
        """Within which an image has its result, whatever died; 60 s by default."""
        return self.settings.stale_after_s + self.settings.sweep_every_s + START_AND_WORK_S

    def __enter__(self) -> World:
        self.proxy.__enter__()
        try:
            for server in (self.postgres, self.broker):
                server.up()
            migrate(self.settings.database_url)
            audit.install(self.settings.database_url)
            for program in (*self.workers, self.sweep, self.api):
                program.up()
            self.settle()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for program in (self.api, *self.workers, self.sweep, self.broker):
            program.strike(signal.SIGCONT)
            with suppress(AssertionError):
                program.down(limit_s=10)
        self.postgres.down(signal.SIGINT)
        self.proxy.__exit__()

    def settle(self) -> None:
        """Wait until each part is there, and each worker has done something that was new.

        A worker may be alive, say so, and take no message any more. And none may have ended that
        nobody killed: it would come back, but only so often before ./run gives up.
        """
        ends = self.own_ends()
        assert not ends, f"these have ended by themselves: {ends}"
        for program in (self.postgres, self.broker, self.api, *self.workers):
            program.wait_ready()
        deadline_s = time.monotonic() + SERVE_LIMIT_S
        served: set[str] = set()
        while missing := {self.name_of(one) for one in self.workers} - served:
            assert time.monotonic() < deadline_s, f"these take no work: {missing}"
            with suppress(requests.RequestException):
                if row := probe(self.url):
                    served.add(row["worker"])
                    continue
            time.sleep(0.05)
        self._answering = (self.api.pid, set(self.api_processes()))

    def own_ends(self) -> list[str]:
        """Return which programs have ended since the last call that nobody killed, and how."""
        programs = (self.postgres, self.broker, self.api, *self.workers, self.sweep)
        ends = [f"{one.name}: {end}" for one in programs for end in one.own_ends()]
        # gunicorn starts its children again itself: whose parent lives should live as well.
        parent, children = self._answering
        self._answering = (self.api.pid, set(self.api_processes()))
        if parent == self.api.pid and (gone := children - self._answering[1]):
            ends.append(f"{len(gone)} of the API's processes")
        return ends

    def name_of(self, worker: Program) -> str:
        """Return what rows call a worker."""
        return f"{socket.gethostname()}-{worker.pid}"

    def arm(self, program: str, point: str) -> Path:
        """Have whoever of a program comes to a point next kill itself there; see the hooks."""
        for one in (*self.workers, self.sweep):
            if one.name.startswith(program):
                one.pardon("SIGKILL")
        if program == "api":
            self.pardon_api_processes()
        armed = self.armed / f"{program}.{point}"
        armed.touch()
        return armed

    def api_processes(self) -> list[int]:
        """Return gunicorn's own children, which answer requests."""
        try:
            return [one.pid for one in psutil.Process(self.api.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def pardon_api_processes(self) -> None:
        """Let those who answer now end, and gunicorn start others."""
        self._answering = (0, set())

    def until_queued(self, n: int = 1, limit_s: float = 5.0) -> None:
        """Wait until so many messages wait in the broker: so that there is something to lose."""
        until_s = time.monotonic() + limit_s
        while self.client().llen(QUEUE) < n:
            assert time.monotonic() < until_s, "nothing was enqueued"
            time.sleep(0.01)

    def client(self) -> redis.Redis:
        """Return a client of the broker, past the proxy."""
        return redis.Redis(unix_socket_path=self.broker_socket)

    @contextmanager
    def database(self) -> Iterator[psycopg2.extensions.connection]:
        """Give a connection of the harness' own."""
        connection = psycopg2.connect(self.settings.database_url)
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def stopped(self, *some: Program) -> Iterator[None]:
        """Freeze programs for a while (SIGSTOP), as a machine in trouble would."""
        for program in some:
            program.strike(signal.SIGSTOP)
        try:
            yield
        finally:
            for program in some:
                program.strike(signal.SIGCONT)

    def another_worker(self, name: str, command: list[str], **env: str) -> Program:
        """Return a worker more, which is not up yet."""
        return self._program(name, [*command, *programs.worker(self.settings)], **env)

    def _program(self, name: str, command: list[str], ready=lambda: True, **env: str) -> Program:  # type: ignore[no-untyped-def]
        return Program(name, command, self.home / "logs" / f"{name}.log",
            env=self.environment(name.partition("-")[0], **env), ready=ready)  # fmt: skip

    def environment(self, program: str, **env: str) -> dict[str, str]:
        """Return the variables of a program of this world."""
        return {
            "SKYLANE_HOME": str(self.home),
            "DATABASE_URL": self.settings.database_url,
            "BROKER_URL": self.settings.broker_url,
            "SKYLANE_STALE_AFTER_S": str(self.settings.stale_after_s),
            "SKYLANE_SWEEP_EVERY_S": str(self.settings.sweep_every_s),
            "SKYLANE_WORKER_STREAMS": "1",  # two workers share the machine
            "PYTHONPATH": os.pathsep.join(
                [str(HOOKS), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "CHAOS_FOLDER": str(self.armed),
            "CHAOS_PROGRAM": program,
            **self._env,
            **env,
        }


def soon(program: Program, seconds: float) -> threading.Timer:
    """Have a program down now be up again after a while."""
    timer = threading.Timer(seconds, program.up)
    timer.start()
    return timer
