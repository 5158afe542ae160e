"""The parts' lines on one screen, each with its part's name before it."""

from __future__ import annotations

import os
import threading
from itertools import cycle
from typing import TextIO

NAME_WIDTH = 8  # the longest name is "postgres"
COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92")  # all legible on dark and on light


class Output:
    """Writes whole lines, from any thread. A screen that is gone is no error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._next_colour = cycle(COLOURS)
        self._colours: dict[str, str] = {}

    def line(self, name: str, text: str) -> None:
        """Write ``text`` as a line of the part ``name``."""
        label = f"{name:<{NAME_WIDTH}} |"
        with self._lock:
            if self._coloured:
                if name not in self._colours:
                    self._colours[name] = next(self._next_colour)
                label = f"\033[{self._colours[name]}m{label}\033[0m"
            try:
                self._stream.write(f"{label} {text}\n")
                self._stream.flush()
            except (OSError, ValueError):
                pass  # ./run | head: the parts must still be read from, or they would hang
