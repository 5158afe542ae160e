"""One child process: its lines, its end, and its whole process group."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from local.errors import LocalError
from local.leftovers import Process

# How variables begin that are secrets of one program: no child has them but by its ``env``.
WITHHELD = ("SKYLANE_INITIAL_KEY", "SKYLANE_FLOWER_BASIC_AUTH", "FLOWER_")
LAST_LINES_S = 1.0  # how long to wait for lines that were written just before the end


class Child:
    """Starts a process in a session of its own, so that a Ctrl-C is not its business.

    ``on_line`` is called with each line it writes, ``on_end`` once with the child when the
    process has ended: both on threads of the child.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        folder: Path | None,
        stop_signal: int,
        on_line: Callable[[str], None],
        on_end: Callable[[Child], None],
    ) -> None:
        passed_on = {
            variable: value
            for variable, value in os.environ.items()
            if not variable.startswith(WITHHELD)
        }
        try:
            self._popen = subprocess.Popen(
                command,
                env={**passed_on, **env},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise LocalError(f"{name} could not start: {error}") from error
        self.process = Process.of(name, self._popen.pid, stop_signal)
        self._on_line = on_line
        self._on_end = on_end
        assert self._popen.stdout
        self._reader = threading.Thread(target=self._read, args=[self._popen.stdout], daemon=True)
        self._waiter = threading.Thread(target=self._wait, daemon=True)
        self._reader.start()
        self._waiter.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._popen.poll() is None

    @property
    def end(self) -> str:
        """How the process ended, in words."""
        status = self._popen.returncode
        return f"exit status {status}" if status >= 0 else signal.Signals(-status).name

    def signal(self, number: int) -> None:
        """Send a signal to the process; what it started itself is its own to stop."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """Kill the process, and what it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def join(self) -> None:
        """Wait for the end, and for the last lines."""
        self._waiter.join()
        self._reader.join(LAST_LINES_S)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self._on_line(line.decode(errors="replace").rstrip())

    def _wait(self) -> None:
        self._popen.wait()
        # What is left of its group would hold ports and files. The group's number is not
        # given out again this soon, nor at all while somebody is in it.
        self.kill()
        self._reader.join(LAST_LINES_S)
        self._on_end(self)
