"""The wall clock of a world's programs, PostgreSQL among them, which an experiment may step.

The machine's own is everybody's. A library that is loaded before all others (LD_PRELOAD) adds to
what libc says; without a C compiler here, ``env`` is empty and the clock cannot be stepped.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """Seconds that are added to what the programs take for the time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.step(0)
        self.env: dict[str, str] = {}
        compiler = shutil.which("cc")
        if compiler is None or sys.platform != "linux":
            return
        library = folder / "clock.so"
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            self.env = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._file)}

    def step(self, seconds: int) -> None:
        """Have the clock be that much ahead of the machine's, or behind; at once."""
        if not self._file.exists():
            self._file.write_bytes(struct.pack("l", 0))
        with self._file.open("r+b") as file:  # in place: the programs have mapped it
            file.write(struct.pack("l", seconds))
