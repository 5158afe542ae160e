"""What runs, written down: a start after a supervisor was killed ends what it left."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

GRACE_S = 10.0
LOOK_AGAIN_S = 0.02
SAME_START_S = 1.0  # two processes with one id cannot start this close together


@dataclass(frozen=True)
class Process:
    """A process that was started here, told from a later one with its id by its start."""

    name: str
    pid: int
    started: float  # seconds since the epoch, as the system tells it
    stop_signal: int

    @classmethod
    def of(cls, name: str, pid: int, stop_signal: int) -> Process | None:
        """Describe a running process; ``None`` if it has ended by now."""
        try:
            return cls(name, pid, psutil.Process(pid).create_time(), stop_signal)
        except psutil.NoSuchProcess:
            return None


class Record:
    """The list of running processes, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, processes: Iterable[Process]) -> None:
        """Replace the list."""
        listed = json.dumps([asdict(process) for process in processes])
        # A full disk, or a home folder that was removed, must not keep parts from a stop.
        with suppress(OSError):
            partial = self._path.with_suffix(".new")
            partial.write_text(listed)
            partial.rename(self._path)

    def end_leftovers(self, say: Callable[[str], None]) -> None:
        """End what still runs of the list, last first. Call with the home folder held."""
        for process in reversed(self._read()):
            found = _find(process)
            if found:
                say(f"ending {process.name} ({process.pid}), left running by a killed start")
                _end(found, process.stop_signal)
        self._path.unlink(missing_ok=True)

    def _read(self) -> list[Process]:
        try:
            return [Process(**entry) for entry in json.loads(self._path.read_text())]
        except (FileNotFoundError, ValueError, TypeError):
            return []


def _find(process: Process) -> psutil.Process | None:
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) <= SAME_START_S
        return found if same and _runs(found) else None
    except psutil.NoSuchProcess:
        return None


def _runs(process: psutil.Process) -> bool:
    # Not psutil's wait(): in a container nobody may be there to bury a dead orphan.
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(process: psutil.Process, stop_signal: int) -> None:
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        process.send_signal(stop_signal)
        deadline = time.monotonic() + GRACE_S
        while _runs(process):
            if time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL)  # each part leads a group of its own
            time.sleep(LOOK_AGAIN_S)
