"""A run of the load generator, as its ``requests.csv`` tells of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS = (
    "scheduled_s", "sent_s", "answered_s", "accepted_s", "started_s", "finished_s", "latency_ms",
    "queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms", "batch_size",
)  # fmt: skip
TEXTS = ("outcome", "worker")
DTYPE = np.dtype([(name, np.float64) for name in NUMBERS] + [(name, "U64") for name in TEXTS])


class BadRun(Exception):
    """A run cannot be read."""


@dataclass(frozen=True)
class Run:
    """A run's requests, in the order in which they were scheduled. What is not known is NaN."""

    rows: NDArray[Any]  # of DTYPE

    @property
    def done(self) -> NDArray[Any]:
        """The images that were committed."""
        done = (self.rows["outcome"] == "done") & np.isfinite(self.rows["latency_ms"])
        return np.asarray(self.rows[done])

    @property
    def scheduled_s(self) -> NDArray[np.float64]:
        """When each image was to be sent."""
        return np.asarray(self.rows["scheduled_s"], dtype=np.float64)

    @property
    def latency_ms(self) -> NDArray[np.float64]:
        """From accepted to committed, of each image that was."""
        return np.asarray(self.done["latency_ms"], dtype=np.float64)

    @property
    def total_ms(self) -> NDArray[np.float64]:
        """From scheduled to committed, of each image that was."""
        return np.asarray((self.done["finished_s"] - self.done["scheduled_s"]) * 1000)


def read_run(path: Path) -> Run:
    """Read a run from its ``requests.csv``, or from the folder that has it.

    Raises:
        BadRun: it cannot be read, or a column is missing.
    """
    path = path / "requests.csv" if path.is_dir() else path
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                (*(float(row[name] or "nan") for name in NUMBERS), *(row[name] for name in TEXTS))
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise BadRun(f"{path}: {error!r}") from error
    found = np.array(rows, dtype=DTYPE)
    return Run(found[np.argsort(found["scheduled_s"], kind="stable")])
