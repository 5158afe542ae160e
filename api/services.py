"""What the views work with, made once for an app."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil
from flask import current_app

from api.admission import Admission
from api.intake import Intake
from settings import Settings
from store.database import Database
from store.images import ImageStore
from store.listing import Listing
from store.notifications import Finished
from store.predictions import Predictions
from store.series import Series
from store.statistics import Statistics
from store.workers import Workers

BYTES_PER_MB = 1e6


@dataclass(frozen=True)
class Services:
    """The stores, the way in, and what the API knows of the model."""

    settings: Settings
    database: Database
    images: ImageStore
    predictions: Predictions
    listing: Listing
    statistics: Statistics
    series: Series
    workers: Workers
    finished: Finished
    admission: Admission
    intake: Intake
    labels: list[str]
    model_version: str | None  # None of a checkpoint, whose digest is only known by reading it
    # These raise where there is no answer. They are for requests without a key as well, and
    # hold one thread each (see ``api.shared``), however many requests want to know.
    probe_database: Callable[[], object]
    live_workers: Callable[[], list[dict[str, Any]]]
    queue_depth: Callable[[], int] | None  # None in a lane without a broker
    load: SystemLoad
    streams: threading.BoundedSemaphore  # places for streams of events, a thread each


class SystemLoad:
    """CPU and memory of this machine, read at most once a second and never slept for.

    CPU use is a difference between two readings; two that follow each other closely say
    nothing, so who comes sooner gets the last answer. (``psutil.cpu_percent`` would do,
    but for each thread by itself.)
    """

    MIN_INTERVAL_S = 1.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total_s, self._idle_s = _cpu_s()
        self._read_at = float("-inf")
        self._last: dict[str, float] = {}

    def __call__(self) -> dict[str, float]:
        """Return ``cpu_percent``, ``memory_percent`` and ``memory_used_mb``."""
        with self._lock:
            now = time.monotonic()
            if now - self._read_at >= self.MIN_INTERVAL_S:
                self._read_at = now
                total_s, idle_s = _cpu_s()
                passed_s = max(total_s - self._total_s, 1e-9)
                busy = 1 - (idle_s - self._idle_s) / passed_s
                self._total_s, self._idle_s = total_s, idle_s
                memory = psutil.virtual_memory()
                self._last = {
                    "cpu_percent": round(100 * min(max(busy, 0.0), 1.0), 1),
                    "memory_percent": memory.percent,
                    "memory_used_mb": round(memory.used / BYTES_PER_MB, 1),
                }
            return dict(self._last)


def _cpu_s() -> tuple[float, float]:
    times = psutil.cpu_times()
    return sum(times), times.idle + getattr(times, "iowait", 0.0)


def services() -> Services:
    """Return the current app's services."""
    found: Services = current_app.extensions["skylane"]
    return found
