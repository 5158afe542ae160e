"""Processors that are shared, and stations at which work waits for its turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import simpy

Then = Callable[[], None]
ROUNDING_S = 1e-12


class Cores:
    """So many cores, which whoever is running shares evenly: nobody gets more than one core.

    That is processor sharing. All who run get on at one pace, so what each has left is kept as
    the value of a common clock at which it is done: an event costs the logarithm of their number.

    ``number`` need not be whole, where others use the machine too.
    """

    def __init__(self, env: simpy.Environment, number: float) -> None:
        self._env = env
        self._number = number
        self._clock_s = 0.0  # of work that each who was here from the beginning would have done
        self._at_s = 0.0  # when that was last set
        self._running: list[tuple[float, int, Then]] = []
        self._numbers = count()
        self._timer = 0  # the one that counts; those before it are void
        self.busy_s = 0.0  # core seconds in all

    def run(self, work_s: float, then: Then) -> None:
        """Do so much work, by time on a core of its own, and call ``then`` when it is done."""
        self._pass_time()
        heappush(self._running, (self._clock_s + max(0.0, work_s), next(self._numbers), then))
        self._wait()

    def _pace(self) -> float:
        return min(1.0, self._number / len(self._running)) if self._running else 0.0

    def _pass_time(self) -> None:
        now_s = self._env.now
        passed_s = (now_s - self._at_s) * self._pace()
        self._clock_s += passed_s
        self.busy_s += passed_s * len(self._running)
        self._at_s = now_s

    def _wait(self) -> None:
        self._timer += 1
        if not self._running:
            return
        left_s = max(0.0, self._running[0][0] - self._clock_s) / self._pace()
        self._env.timeout(left_s, self._timer).callbacks.append(self._finish)

    def _finish(self, event: Any) -> None:
        if event.value != self._timer:
            return
        self._pass_time()
        # It is time for the first, whatever was lost by rounding.
        self._clock_s = max(self._clock_s, self._running[0][0])
        done = []
        while self._running and self._running[0][0] <= self._clock_s + ROUNDING_S:
            done.append(heappop(self._running)[2])
        self._wait()
        for then in done:
            then()


class Station:
    """So many servers, each of which does one piece of work at a time, first come first served."""

    def __init__(self, cores: Cores, servers: int) -> None:
        self._cores = cores
        self._free = servers
        self._waiting: deque[tuple[float, Then]] = deque()

    def submit(self, work_s: float, then: Then) -> None:
        """Have a piece of work done on a core when its turn comes."""
        self._waiting.append((work_s, then))
        self._begin()

    def _begin(self) -> None:
        while self._free and self._waiting:
            work_s, then = self._waiting.popleft()
            self._free -= 1
            self._cores.run(work_s, lambda then=then: self._end(then))  # type: ignore[misc]

    def _end(self, then: Then) -> None:
        self._free += 1
        then()
        self._begin()
