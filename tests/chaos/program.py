"""A program that is kept running, as `./run` or a container engine does, and can be struck."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from local.child import Child
from settings import ROOT

RESTART_AFTER_S = 0.5  # local/supervisor.py's first
START_LIMIT_S = 60.0
ANY_END = "any end"


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
        self._ends: list[str] = []  # of which no signal was sent from here
        self._pardons: Counter[str] = Counter()
        self._sent: set[int] = set()  # to the present process
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
        self._sent.add(number)
        with suppress(ProcessLookupError):
            child.signal(number)
        in_time = self._ended.wait(limit_s)
        if not in_time:
            self._sent.add(signal.SIGKILL)
            child.kill()
            self._ended.wait()
        assert in_time, f"{self.name} did not end within {limit_s} s of signal {number}"
        return time.monotonic() - began_s

    def strike(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process; if it dies of that, it is started again."""
        with self._lock:
            if not self.pid:  # 0 would be everybody of this group
                return
            self._sent.add(number)
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def pardon(self, end: str, times: int = 1) -> None:
        """Let it end so, by what the experiment has done to it other than by a signal."""
        with self._lock:
            self._pardons[end] += times

    def own_ends(self) -> list[str]:
        """Return how it ended since the last call, where nobody had sent it a signal to.

        What was pardoned and did not come is pardoned no more.
        """
        with self._lock:
            ends, self._ends = self._ends, []
            pardons, self._pardons = self._pardons, Counter()
        for end in list(ends):
            if pardons[end] + pardons[ANY_END] > 0:
                pardons[end if pardons[end] > 0 else ANY_END] -= 1
                ends.remove(end)
        return ends

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
        self._sent = set()
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
            if child.end not in _ends_of(self._sent):
                self._ends.append(child.end)
            if not self._wanted:
                return
        timer = threading.Timer(RESTART_AFTER_S, self._start_again)
        timer.daemon = True
        timer.start()

    def _start_again(self) -> None:
        with self._lock:
            self._start()


def _ends_of(sent: set[int]) -> set[str]:
    """Return how a process may end that was sent these signals: by them, or orderly when asked."""
    asked = sent & {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
    orderly = {"exit status 0"} if asked else set()
    if signal.SIGQUIT in sent:  # PostgreSQL's immediate shutdown
        orderly.add("exit status 1")
    return orderly | {signal.Signals(number).name for number in sent}
