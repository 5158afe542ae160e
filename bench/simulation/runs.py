"""The requests of the load generator's runs, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.load.files import read_requests

NUMBERS = (
    "scheduled_s", "sent_s", "answered_s", "accepted_s", "started_s", "finished_s", "latency_ms",
    "queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms", "batch_size",
)  # fmt: skip
REQUESTS = "requests.csv"
TEXTS = ("outcome", "worker")
DTYPE = np.dtype([(name, np.float64) for name in NUMBERS] + [(name, "U64") for name in TEXTS])


class BadRun(Exception):
    """A run cannot be read."""


@dataclass(frozen=True)
class Requests:
    """Those of a run, in the order in which they were scheduled. What is not known is NaN."""

    rows: NDArray[Any]  # of DTYPE

    @property
    def done(self) -> NDArray[Any]:
        """The images that were committed."""
        done = (self.rows["outcome"] == "done") & np.isfinite(self.rows["latency_ms"])
        return np.asarray(self.rows[done])

    def after(self, images: int) -> Requests:
        """Return all but the first so many."""
        return Requests(self.rows[images:])

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


def read_run(path: Path) -> Requests:
    """Read a run's requests from its ``requests.csv``, or from the folder that has it.

    Raises:
        BadRun: it cannot be read, or a column is missing.
    """
    folder = path.parent if path.name == REQUESTS else path
    try:
        rows = [
            (*(float(row[name] or "nan") for name in NUMBERS), *(row[name] for name in TEXTS))
            for row in read_requests(folder)
        ]
    except (OSError, KeyError, ValueError) as error:
        raise BadRun(f"{path}: {error!r}") from error
    found = np.array(rows, dtype=DTYPE)
    return Requests(found[np.argsort(found["scheduled_s"], kind="stable")])
