"""Lambda's environments of one function: how fast they come, how many, and how long they stay.

A call gets an environment that is warm, or else a new one, or else it is throttled. New ones come
from an allowance of ``start_burst``, which fills up by ``start_burst`` every ``start_burst_s``
and never above: 1,000 and 10 s for each function, as AWS has it since November 2023
(https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.lambda_lane.limits import LaneLimits


@dataclass(frozen=True)
class Scaling:
    """What a function may have."""

    limit: int = 1_000  # environments at once; an account's default in all
    start_burst: int = 1_000  # environments that start at once, and in each
    start_burst_s: float = 10.0
    keep_alive_s: float = LaneLimits.keep_alive_s


class Environments:
    """A function's environments. Calls are counted, and not told apart."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._allowed = float(scaling.start_burst)
        self._filled_at_s = 0.0
        self._idle: deque[tuple[float, int]] = deque()  # since when, how many; the newest last
        self._idle_number = 0
        self.busy = 0
        self._history: list[tuple[float, int]] = [(0.0, 0)]

    @property
    def number(self) -> int:
        """How many there are."""
        return self.busy + self._idle_number

    def take(self, wanted: int, now_s: float) -> tuple[int, int]:
        """Take up to so many; return how many of them are warm, and how many start anew."""
        self._expire(now_s)
        warm = min(wanted, self._idle_number)
        self._wake(warm)
        self._fill(now_s)
        room = self._scaling.limit - self.number - warm
        cold = max(0, min(wanted - warm, room, int(self._allowed)))
        self._allowed -= cold
        self.busy += warm + cold
        if cold:
            self._tell(now_s)
        return warm, cold

    def release(self, number: int, now_s: float) -> None:
        """Give so many back, warm."""
        self._expire(now_s)
        self.busy -= number
        self._idle_number += number
        self._idle.append((now_s, number))

    def history(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return when their number changed, and what it was then."""
        times, numbers = zip(*self._history, strict=True)
        return np.array(times, dtype=np.float64), np.array(numbers, dtype=np.int64)

    def _wake(self, number: int) -> None:
        """Take the idle ones that were busy last, as Lambda is seen to do."""
        self._idle_number -= number
        while number:
            since_s, there = self._idle.pop()
            if there > number:
                self._idle.append((since_s, there - number))
            number -= min(number, there)

    def _expire(self, now_s: float) -> None:
        before = self._idle_number
        while self._idle and self._idle[0][0] < now_s - self._scaling.keep_alive_s:
            self._idle_number -= self._idle.popleft()[1]
        if self._idle_number < before:
            self._tell(now_s)

    def _fill(self, now_s: float) -> None:
        scaling = self._scaling
        gained = (now_s - self._filled_at_s) * scaling.start_burst / scaling.start_burst_s
        self._allowed = min(float(scaling.start_burst), self._allowed + gained)
        self._filled_at_s = now_s

    def _tell(self, now_s: float) -> None:
        self._history.append((now_s, self.number))
