"""Start parts, keep them running, and stop them all: one process that owns the others.

Everything that happens, a part's death or a signal, is an event in one queue, and the
main thread takes them one by one. So nothing happens in the middle of something else.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from local.child import Child
from local.errors import LocalError
from local.leftovers import Record
from local.output import Output

START_WITHIN_S = 60.0
LOOK_AGAIN_S = 0.02  # between two looks at whether a part is ready
DEATHS_WITHIN_S = 60.0  # a death further back is forgotten
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 8.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Wrappers (npm, uv) pass a Ctrl-C on that the terminal sent to every process already, so
# two that come this close together are one.
SAME_SIGNAL_S = 0.5


@dataclass(frozen=True)
class Part:
    """A program to keep running.

    ``env`` comes on top of this process's environment, but for what ``local.child`` withholds.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None  # None: ready as soon as it runs
    stop_signal: signal.Signals = signal.SIGTERM
    # Within a minute; dead once more, it is given up, and all is stopped. None: it never is.
    restarts: int | None = 4
    grace_s: float = 10.0  # from its stop signal to SIGKILL
    folder: Path | None = None  # that it runs in


class Stopped(Exception):
    """Somebody asked for an end while parts were being started."""


class Supervisor:
    """Runs parts. ``with`` it: on the way out it stops what it started, last first.

    ``record`` is a file that names the running processes: what a supervisor that was
    killed left running, the next one ends before it starts anything.
    """

    def __init__(self, record: Path, output: Output) -> None:
        self._record = Record(record)
        self._output = output
        self._tracked: list[_Tracked] = []
        # SimpleQueue, because its put() may be called in a signal handler.
        self._events: SimpleQueue[Child | signal.Signals] = SimpleQueue()
        self._signalled_at: float | None = None
        self._record.end_leftovers(self.say)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def say(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self._output.line("skylane", text)

    def stop_on_signals(self) -> None:
        """From now on Ctrl-C, SIGTERM and SIGHUP are events. Main thread only."""
        for number in STOP_SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            signal.signal(number, lambda got, _: self._events.put(signal.Signals(got)))

    def start(self, *parts: Part) -> None:
        """Start parts together and return once all are ready.

        Raises:
            LocalError: one died meanwhile, or was not ready in time.
            Stopped: a signal asked for an end.
        """
        starting = [_Tracked(part) for part in parts]
        for tracked in starting:
            self._tracked.append(tracked)
            self._spawn(tracked)
        deadline = time.monotonic() + START_WITHIN_S
        while waiting := [t.part for t in starting if t.part.ready and not t.part.ready()]:
            if time.monotonic() > deadline:
                names = ", ".join(part.name for part in waiting)
                raise LocalError(
                    f"Not ready after {START_WITHIN_S:.0f} s: {names}. The lines above may say why."
                )
            self._handle_event(LOOK_AGAIN_S)
        for tracked in starting:
            tracked.started = True

    def run(self) -> None:
        """Keep all parts running until a signal asks for an end.

        Raises:
            LocalError: a part died too often.
        """
        try:
            while True:
                due = min((t.restart_at for t in self._tracked if t.restart_at), default=None)
                self._handle_event(None if due is None else max(0, due - time.monotonic()))
        except Stopped:
            return

    def stop(self) -> None:
        """Stop what runs, last first, each with its own signal and grace.

        A signal meanwhile ends the patience: all that still runs is killed at once.
        """
        patient = True
        while self._tracked:
            tracked = self._tracked.pop()
            child = tracked.child
            if child is None:
                continue
            if patient:
                child.signal(tracked.part.stop_signal)
                patient = self._wait_for_end(child, tracked.part.grace_s)
            if child.alive:
                self.say(f"killing {tracked.part.name}")
                child.kill()
            child.join()
            self._write_record()

    def _wait_for_end(self, child: Child, grace_s: float) -> bool:
        """Return ``False`` where a signal cut the waiting short."""
        deadline = time.monotonic() + grace_s
        while child.alive and time.monotonic() < deadline:
            try:
                event = self._events.get(timeout=max(0, deadline - time.monotonic()))
            except Empty:
                break
            if isinstance(event, signal.Signals) and self._is_another_signal():
                return False
        return True

    def _handle_event(self, timeout_s: float | None) -> None:
        try:
            event = self._events.get(timeout=timeout_s)
        except Empty:
            pass
        else:
            if isinstance(event, Child):
                self._handle_death(event)
            elif self._is_another_signal():
                self.say(f"{event.name}: stopping; once more kills at once")
                raise Stopped
        for tracked in self._tracked:
            if tracked.restart_at and time.monotonic() >= tracked.restart_at:
                self._spawn(tracked)

    def _handle_death(self, child: Child) -> None:
        tracked = next(t for t in self._tracked if t.child is child)
        part, tracked.child = tracked.part, None
        self._write_record()
        if not tracked.started:  # it would only fail again, for the same reason
            raise LocalError(f"{part.name} could not start ({child.end}). Its lines above say why.")
        backoff_s = tracked.backoff_after_death()
        if backoff_s is None:
            raise LocalError(
                f"{part.name} died {len(tracked.deaths)} times within {DEATHS_WITHIN_S:.0f} s, "
                f"the last time with {child.end}. Its lines above say why."
            )
        self.say(f"{part.name} died ({child.end}); starting it again in {backoff_s:g} s")
        tracked.restart_at = time.monotonic() + backoff_s

    def _is_another_signal(self) -> bool:
        before, self._signalled_at = self._signalled_at, time.monotonic()
        return before is None or self._signalled_at - before > SAME_SIGNAL_S

    def _spawn(self, tracked: _Tracked) -> None:
        part, tracked.restart_at = tracked.part, None
        tracked.child = Child(
            part.name,
            part.command,
            env=part.env,
            folder=part.folder,
            stop_signal=part.stop_signal,
            on_line=lambda line: self._output.line(part.name, line),
            on_end=self._events.put,
        )
        self._write_record()

    def _write_record(self) -> None:
        children = [tracked.child for tracked in self._tracked]
        self._record.write(child.process for child in children if child and child.process)


class _Tracked:
    """A part, the process that it now has, and its history."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.child: Child | None = None
        self.started = False  # and ready, together with those it was started with
        self.restart_at: float | None = None
        self.deaths: deque[float] = deque()

    def backoff_after_death(self) -> float | None:
        """Return how long to wait before the next start; ``None`` to give up."""
        now = time.monotonic()
        self.deaths.append(now)
        while now - self.deaths[0] > DEATHS_WITHIN_S:
            self.deaths.popleft()
        if self.part.restarts is not None and len(self.deaths) > self.part.restarts:
            return None
        return min(FIRST_BACKOFF_S * 2.0 ** (len(self.deaths) - 1), LONGEST_BACKOFF_S)
