"""Processors that are shared, and stations at which work waits for its turn.

An operating system shares cores evenly among those who want one, and lets who has slept go first
for a moment: so programs that do a little and wait again hardly notice that others are busy, as
long as they take less than their share. Linux has done so by one scheduler or another since 2007.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import simpy

Then = Callable[[], None]
ROUNDING_S = 1e-12


class Cores:
    """So many cores, shared evenly: nobody gets more than one, and who has slept goes first.

    Those who have slept share the cores among themselves until each has had ``eager_s``; what they
    leave the others share. ``rivals`` is how many programs there are that are not simulated and
    want a core all the time; on average, so it need not be whole.
    """

    def __init__(
        self, env: simpy.Environment, number: float, eager_s: float = 0.0, rivals: float = 0.0
    ) -> None:
        self._env = env
        self._rivals = rivals
        self._number = number
        self._eager_s = eager_s
        self._eager, self._fair = _Sharing(), _Sharing()
        self._eager_pace = self._fair_pace = 0.0
        self._at_s = 0.0
        self._timer = 0  # the one that counts; those before it are void

    def run(self, work_s: float, then: Then, *, slept: bool) -> None:
        """Do so much work, by time on a core of its own, and call ``then`` when it is done."""
        self._pass_time()
        first_s = min(work_s, self._eager_s) if slept else 0.0
        if first_s < work_s:

            def go_on() -> None:
                self._fair.add(work_s - first_s, then)

            if first_s:
                self._eager.add(first_s, go_on)
            else:
                go_on()
        else:
            self._eager.add(first_s, then)
        self._wait()

    def _pass_time(self) -> None:
        passed_s = self._env.now - self._at_s
        self._eager.clock_s += passed_s * self._eager_pace
        self._fair.clock_s += passed_s * self._fair_pace
        self._at_s = self._env.now

    def _wait(self) -> None:
        """Have a look when the next one is done."""
        self._timer += 1
        eager, fair = len(self._eager.running), len(self._fair.running)
        self._eager_pace = min(1.0, self._number / eager) if eager else 0.0
        left = self._number - self._eager_pace * eager
        self._fair_pace = min(1.0, max(0.0, left / (fair + self._rivals))) if fair else 0.0
        after_s, first = math.inf, self._eager
        for sharing, pace in ((self._eager, self._eager_pace), (self._fair, self._fair_pace)):
            if pace and (left_s := sharing.left_s / pace) < after_s:
                after_s, first = left_s, sharing
        if after_s < math.inf:
            timeout = self._env.timeout(after_s, (self._timer, first))
            timeout.callbacks.append(self._finish)

    def _finish(self, event: Any) -> None:
        timer, sharing = event.value
        if timer != self._timer:
            return
        self._pass_time()
        for then in sharing.done():
            then()
        self._wait()


class _Sharing:
    """Those who get on at one pace.

    So what each has left is kept as the value of a common clock at which it is done, and an event
    costs the logarithm of their number.
    """

    def __init__(self) -> None:
        self.clock_s = 0.0  # of work that each who was here from the beginning would have done
        self.running: list[tuple[float, int, Then]] = []
        self._numbers = count()

    @property
    def left_s(self) -> float:
        """What the next one to be done has left."""
        return max(0.0, self.running[0][0] - self.clock_s)

    def add(self, work_s: float, then: Then) -> None:
        heappush(self.running, (self.clock_s + max(0.0, work_s), next(self._numbers), then))

    def done(self) -> list[Then]:
        """Take out who is done: the first in any case, whatever was lost by rounding."""
        self.clock_s = max(self.clock_s, self.running[0][0])
        found = []
        while self.running and self.running[0][0] <= self.clock_s + ROUNDING_S:
            found.append(heappop(self.running)[2])
        return found


class Station:
    """So many servers, each of which does one piece of work at a time, first come first served."""

    def __init__(self, cores: Cores, servers: int) -> None:
        self._cores = cores
        self._free = servers
        self._waiting: deque[tuple[float, Then]] = deque()

    def submit(self, work_s: float, then: Then) -> None:
        """Have a piece of work done on a core when its turn comes."""
        if self._free:
            self._begin(work_s, then, slept=True)
        else:
            self._waiting.append((work_s, then))

    def _begin(self, work_s: float, then: Then, *, slept: bool) -> None:
        self._free -= 1

        def end() -> None:
            self._free += 1
            if self._waiting:  # a server with work to do does not sleep in between
                self._begin(*self._waiting.popleft(), slept=False)
            then()

        self._cores.run(work_s, end, slept=slept)
