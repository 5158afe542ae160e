"""What is written down of each invocation, as Lambda's REPORT lines and metrics have it."""

from __future__ import annotations

import csv
import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import accumulate
from pathlib import Path
from typing import Literal

Outcome = Literal["ok", "error", "timeout", "died"]

MB_PER_GB = 1024  # a GB-second's


@dataclass(frozen=True)
class Invocation:
    """One event that a function was given."""

    function: str  # "api", "infer" or "sweep"
    environment: str  # its id; the rows that it wrote have it in `worker`
    cold: bool  # whether the environment was started for it
    init_ms: float  # of that start; 0 when warm
    duration_ms: float  # from the event handed out to the answer taken in
    billed_ms: int
    memory_mb: int
    started_s: float  # since the lane's start: when it was asked for, so before INIT
    records: int  # messages in the event; 1 of HTTP
    outcome: Outcome  # error: the handler raised; died: its process ended

    @property
    def gb_s(self) -> float:
        """What is billed: GB-seconds."""
        return self.memory_mb / MB_PER_GB * self.billed_ms / 1000


def billed_ms(duration_ms: float, init_ms: float) -> int:
    """Return what is billed, in whole ms; INIT is part of it for every function since 2025-08-01.

    https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
    """
    return math.ceil(duration_ms + init_ms)


class Ledger:
    """All invocations and throttles of a lane. Thread-safe."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._lock = threading.Lock()
        self._invocations: list[Invocation] = []
        self._throttles: Counter[str] = Counter()

    def now_s(self) -> float:
        """Return the time since the lane's start."""
        return time.monotonic() - self._began_s

    def add(self, invocation: Invocation) -> None:
        """Write an invocation down."""
        with self._lock:
            self._invocations.append(invocation)

    def throttled(self, function: str) -> None:
        """Count an event that a function was not given."""
        with self._lock:
            self._throttles[function] += 1

    def invocations(self) -> list[Invocation]:
        """Return all invocations that have ended, in that order."""
        with self._lock:
            return list(self._invocations)

    def throttles(self) -> dict[str, int]:
        """Return how often each function was throttled."""
        with self._lock:
            return dict(self._throttles)


def most_at_once(invocations: Sequence[Invocation]) -> int:
    """Return how many invocations there were at one time, their starts included, at most."""
    steps = [(one.started_s, 1) for one in invocations]
    steps += [(one.started_s + (one.init_ms + one.duration_ms) / 1000, -1) for one in invocations]
    return max(accumulate((step for _, step in sorted(steps)), initial=0))


def write(invocations: Sequence[Invocation], path: Path) -> None:
    """Write invocations as CSV, with the names of their members on top."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(field.name for field in fields(Invocation))
        lines.writerows(astuple(one) for one in invocations)
