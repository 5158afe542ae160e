"""A function as it is deployed, what may come of an event, and how fast it may grow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.lambda_lane.invocations import Outcome


class Throttled(Exception):
    """No environment is free, and no other may be started now."""


class NotInTime(Exception):
    """Who asked waits no longer. The invocation goes on."""


@dataclass(frozen=True)
class Function:
    """A function as it is deployed."""

    name: str
    handler: str
    memory_mb: int
    timeout_s: float
    concurrency: int  # environments that work at once, at most


@dataclass(frozen=True)
class Done:
    """What came of an event: the handler's answer, or with another outcome its error, if any."""

    outcome: Outcome
    payload: Any = None


class ScalingRate:
    """How fast environments may be added: so many at once, refilled continuously."""

    def __init__(self, environments: int, every_s: float) -> None:
        self._most = self._left = float(environments)
        self._per_s = environments / every_s
        self._looked_s = time.monotonic()

    def take(self) -> bool:
        """Take one, if there is one left. Not thread-safe."""
        now_s = time.monotonic()
        self._left = min(self._most, self._left + (now_s - self._looked_s) * self._per_s)
        self._looked_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
