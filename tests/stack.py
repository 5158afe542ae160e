"""A running Skylane for tests: the very command that users run, on ports of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests

from local.ports import free_ports

START_LIMIT_S = 60
STOP_LIMIT_S = 30
WORKER = "tasks.celery_app worker"  # what only its command line has in it


class Stack:
    """`skylane up` as a child process, with its log in a file."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.log = home.parent / f"{home.name}.log"
        self.api_port, self.flower_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.flower_url = f"http://127.0.0.1:{self.flower_port}"
        self.environment = {
            **os.environ,
            "SKYLANE_HOME": str(home),
            "SKYLANE_API_PORT": str(self.api_port),
            "SKYLANE_FLOWER_PORT": str(self.flower_port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Stack:
        """Start and wait until it is ready; fail with its log if it does not get there."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli", "up"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if requests.get(f"{self.url}/ready", timeout=2).ok:
                    return self
            except requests.RequestException:
                pass
            time.sleep(0.1)
        if self.process.poll() is None:
            self.stop()
        raise AssertionError(f"not ready:\n{self.log.read_text()[-5000:]}")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, as Ctrl-C does, and return the exit status."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(STOP_LIMIT_S)

    def pids(self, part: str) -> list[int]:
        """Return the processes of this stack whose command line has ``part`` in it."""
        assert self.process
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if part in " ".join(child.cmdline()):
                    found.append(child.pid)
        return found

    @contextlib.contextmanager
    def frozen(self, part: str) -> Iterator[None]:
        """Stop some processes from running for a while, as a machine in trouble would."""
        pids = self.pids(part)
        assert pids, f"no process of {part}"
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.stop()


def until(condition, limit_s: float = 30.0):  # type: ignore[no-untyped-def]
    """Ask again until the answer is true, and return it; fail after ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return answer
