"""Every input through ``model.images.decode``, in processes whose death is told by its input."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.child import BROKEN

ROOT = Path(__file__).parents[2]
# What one input may cost: the time limit is 2 s of decoding, looked at between two reads, and
# the largest picture, which a few hundred bytes may promise, is 25 megapixels of four bytes,
# several times over while it is converted.
MOST_CPU_MS = 3000.0
MOST_MB = 450.0
CHUNK = 500  # inputs that a process decodes before the next one takes its place


@dataclass(frozen=True)
class Decoded:
    """What an input came to: ``accepted``, a code, or ``!`` and what must not happen."""

    number: int
    outcome: str
    cpu_ms: float
    grown_mb: float

    @property
    def wrong(self) -> str:
        """What is wrong with it; nothing, mostly."""
        if self.outcome.startswith(BROKEN):
            return self.outcome
        if self.cpu_ms > MOST_CPU_MS:
            return f"it took {self.cpu_ms:.0f} ms of CPU"
        return f"it took {self.grown_mb:.0f} MB" if self.grown_mb > MOST_MB else ""


def decode_all(seed: int, numbers: Iterable[int], processes: int) -> list[Decoded]:
    """Decode inputs in several processes and return what became of each, in order."""
    numbers = list(numbers)
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    with ThreadPoolExecutor(processes) as threads:
        done = threads.map(lambda chunk: list(_decode(seed, chunk)), chunks)
        return [one for chunk in done for one in chunk]


def _decode(seed: int, numbers: list[int]) -> Iterator[Decoded]:
    """Decode in one process, and in another from after the input that killed it."""
    while numbers:
        child = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.child", str(seed)],
            input=" ".join(map(str, numbers)).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libtiff's remarks
            cwd=ROOT,
            check=False,
        )
        last = None
        for line in child.stdout.decode().splitlines():
            number, *told = line.split(" ")
            last = int(number)
            if len(told) == 3:
                yield Decoded(last, told[0], float(told[1]), float(told[2]))
            else:
                yield Decoded(last, BROKEN + _death(child.returncode), 0.0, 0.0)
        assert last is not None, f"the child of {numbers[0]} did not begin: {child.returncode}"
        numbers = numbers[numbers.index(last) + 1 :]


def _death(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit_{status}"
