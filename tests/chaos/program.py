"""A program that is kept running, as `./run` or a container engine does, and can be struck."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from local.child import Child
from settings import ROOT

RESTART_AFTER_S = 0.5  # local/supervisor.py's first
START_LIMIT_S = 60.0


class Program:
    """Starts a real process, and again whenever it dies, until it is to be down.

    ``prepare`` is called before each start. What it writes goes to ``log``.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        prepare: Callable[[], None] = lambda: None,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self.ends: list[str] = []  # of its own accord: neither ``down`` nor a signal
        self._command = command
        self._env = env or {}
        self._prepare = prepare
        self._ready = ready
        self._log = log.open("a", buffering=1)
        self._lock = threading.RLock()
        self._child: Child | None = None
        self._wanted = False
        self._ended = threading.Event()

    def up(self) -> None:
        """Start it, and wait until it is ready."""
        with self._lock:
            self._wanted = True
            self._start()
        self.wait_ready()

    def down(self, number: int = signal.SIGTERM, limit_s: float = 30.0) -> float:
        """Send a signal, and return after how many seconds it has ended; it stays down.

        What has not ended by ``limit_s`` is killed, which is an ``AssertionError``.
        """
        with self._lock:
            self._wanted = False
            child = self._child
        if child is None:
            return 0.0
        began_s = time.monotonic()
        with suppress(ProcessLookupError):
            child.signal(number)
        in_time = self._ended.wait(limit_s)
        if not in_time:
            child.kill()
            self._ended.wait()
        assert in_time, f"{self.name} did not end within {limit_s} s of signal {number}"
        return time.monotonic() - began_s

    def strike(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process; if it dies of that, it is started again."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait_ready(self) -> None:
        """Wait until it is ready."""
        deadline_s = time.monotonic() + START_LIMIT_S
        while self._child is None or not self._ready():
            assert time.monotonic() < deadline_s, f"{self.name} is not ready: {self._log.name}"
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The process; 0 of one that is down just now."""
        child = self._child
        return child.process.pid if child and child.process else 0

    def _start(self) -> None:
        if not self._wanted or self._child:
            return
        self._prepare()
        self._ended.clear()
        self._child = Child(
            self.name,
            self._command,
            env=self._env,
            folder=ROOT,
            stop_signal=signal.SIGTERM,
            on_line=lambda line: self._write(line),
            on_end=self._handle_end,
        )

    def _write(self, line: str) -> None:
        with suppress(ValueError):  # closed
            self._log.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    def _handle_end(self, child: Child) -> None:
        self._write(f"-- ended: {child.end}")
        with self._lock:
            self._child = None
            self._ended.set()
            if not self._wanted:
                return
            if child.end.startswith("exit"):
                self.ends.append(child.end)
        timer = threading.Timer(RESTART_AFTER_S, self._start_again)
        timer.daemon = True
        timer.start()

    def _start_again(self) -> None:
        with self._lock:
            self._start()
