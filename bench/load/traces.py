"""Traces of Azure Functions, in the two formats that Microsoft published, and one shaped like them.

- 2019: a row for each function, and how often it was called in each of a day's 1,440 minutes.
  Shahrad et al., *Serverless in the Wild*, USENIX ATC 2020.
- 2021: a row for each call, with when it ended and how long it took, in seconds.
  Zhang et al., *Faster and Cheaper Serverless Computing on Harvested Resources*, SOSP 2021.

Both are at https://github.com/Azure/AzurePublicDataset and are not in this repository. What is, is
`bench/scenarios/traces/azure-functions-shaped.csv`, which this makes:

    python -m bench.load.traces > bench/scenarios/traces/azure-functions-shaped.csv
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

MINUTES = 1440
IDENTIFIERS = ["HashOwner", "HashApp", "HashFunction", "Trigger"]
FUNCTIONS, SEED = 24, 2019


class TraceError(ValueError):
    """A file is no trace that is known; the message says what was expected of it."""


def read_trace(path: Path, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return when calls began, in seconds from the trace's beginning, in order.

    Within a minute, of which only the count is known, they are spread by chance.

    Raises:
        TraceError: it cannot be read, or is neither of the formats.
    """
    try:
        with path.open(newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if header[:4] == IDENTIFIERS:
                return _of_minutes(rows, len(header) - 4, rng)
            if "end_timestamp" in header and "duration" in header:
                return _of_calls(rows, header.index("end_timestamp"), header.index("duration"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise TraceError(f"{path} is no trace that can be read: {error}") from error
    raise TraceError(
        f"{path} is no trace that is known: its first line is to begin with {','.join(IDENTIFIERS)}"
        " (Azure Functions 2019) or to name end_timestamp and duration (2021)"
    )


def _of_minutes(
    rows: Iterable[Sequence[str]], minutes: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    counts = np.zeros(minutes, dtype=np.int64)
    for row in rows:
        counts += np.asarray(row[4:], dtype=np.int64)
    minute = np.repeat(np.arange(minutes), counts)
    return np.sort((minute + rng.random(len(minute))) * 60.0)


def _of_calls(rows: Iterable[Sequence[str]], end: int, duration: int) -> NDArray[np.float64]:
    begun = np.asarray([float(row[end]) - float(row[duration]) for row in rows])
    return np.sort(begun) - (begun.min() if len(begun) else 0.0)


def write_shaped(file: IO[str]) -> None:
    """Write a day of made-up functions that has what the 2019 paper found in the real ones.

    A few functions make most of the calls (its figure 3). Timers call at fixed distances, HTTP
    follows the hour of the day, queues come in bursts, and most functions are hardly ever called.
    """
    rng = np.random.default_rng(SEED)
    minute = np.arange(MINUTES)
    day = 1 + 0.6 * np.sin((minute - 480) / MINUTES * 2 * np.pi)  # the least at 2, the most at 14
    out = csv.writer(file, lineterminator="\n")
    out.writerow([*IDENTIFIERS, *range(1, MINUTES + 1)])
    for number in range(FUNCTIONS):
        popularity = 60.0 / (number + 1) ** 1.4  # calls a minute; a power law
        trigger = ("http", "queue", "timer")[number % 3]
        if trigger == "http":
            counts = rng.poisson(popularity * day)
        elif trigger == "queue":
            busy = np.repeat(rng.random(MINUTES // 10) < 0.15, 10)
            counts = np.where(busy, rng.poisson(popularity * 5, MINUTES), 0)
        else:
            every = max(1, round(1 / popularity))
            counts = np.where(minute % every == 0, max(1, round(popularity)), 0)
        name = hashlib.sha256(f"function {number}".encode()).hexdigest()
        out.writerow([name[:12], name[12:24], name[24:36], trigger, *counts])


if __name__ == "__main__":
    write_shaped(sys.stdout)
