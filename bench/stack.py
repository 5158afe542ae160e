"""A Skylane of the bench's own: the command that users run, on free ports, in a new folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import requests

from local.postgres import EmbeddedPostgres

START_LIMIT_S = 60
BYTES_PER_MB = 1e6
# What to look for in a command line, to know whose process it is.
PARTS = {
    "api": "api:create_app",
    "worker": "tasks.celery_app worker",
    "postgres": "postgres",
    "redis": "valkey",
    "flower": "flower",
    "sweep": "tasks.sweep",
}


class Running:
    """A running stack: its address, and what its processes use."""

    def __init__(self, url: str, home: Path, supervisor: psutil.Process) -> None:
        self.url = url
        self._home = home
        self._supervisor = supervisor

    @property
    def database_url(self) -> str:
        """Return libpq's address of its PostgreSQL."""
        postgres = EmbeddedPostgres(self._home)
        postgres.find()
        return postgres.url

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds that the living processes of each part have used."""
        used = dict.fromkeys(PARTS, 0.0)
        for part, process in self._processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used[part] += times.user + times.system
        return used

    def memory_mb(self) -> dict[str, float]:
        """Return the resident memory of each part's largest process."""
        largest = dict.fromkeys(PARTS, 0.0)
        for part, process in self._processes():
            with suppress(psutil.NoSuchProcess):
                largest[part] = max(largest[part], process.memory_info().rss / BYTES_PER_MB)
        return largest

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        # Some end meanwhile: a backend of PostgreSQL's, with the connection that it was for.
        for process in self._supervisor.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                command = " ".join(process.cmdline()) or process.name()
                for part, sign in PARTS.items():
                    if sign in command:
                        yield part, process
                        break


@contextmanager
def running_stack(**settings: str) -> Iterator[Running]:
    """Run a stack for as long as the ``with`` lasts, and leave nothing behind.

    ``settings`` are variables for it, besides where it is.
    """
    api_port, flower_port = _free_port(), _free_port()
    with tempfile.TemporaryDirectory(prefix="skylane-bench-") as folder:
        log_path = Path(folder) / "log"
        environment = os.environ | {
            "SKYLANE_HOME": str(Path(folder) / "home"),
            "SKYLANE_API_PORT": str(api_port),
            "SKYLANE_FLOWER_PORT": str(flower_port),
            **settings,
        }
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli", "up"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is ours, and we end it
            )
        try:
            url = f"http://127.0.0.1:{api_port}"
            deadline = time.monotonic() + START_LIMIT_S
            while not _ready(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no stack:\n{log_path.read_text()}")
                time.sleep(0.1)
            yield Running(url, Path(folder) / "home", psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(60)


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=2).ok
    except requests.RequestException:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
