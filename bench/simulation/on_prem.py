"""The on-prem lane: APIs, a queue, and workers that take what gathered.

    arrives ─▶ API ─▶ accepted ─▶ queue ─▶ worker: in hand ─▶ batch on a stream ─▶ committed

As in `batching.py`, a stream that is free takes what is in hand by then, up to ``batch_images``,
and a worker has at most ``in_hand`` messages that are not done (SKYLANE_WORKER_THREADS). API,
interpreter, batches and what else an image costs share the host's cores (`bench.simulation.cores`).

What it leaves out: flushes of the disk are as slow as they were measured, however many there are;
PostgreSQL's work is done on the host that caused it; the API commits each image by itself, where
the real one gets cheaper by committing together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import simpy

from bench.simulation.arrivals import Floats, Outcomes, groups
from bench.simulation.cores import Cores, Station
from bench.simulation.service_times import MS_PER_S, BatchTimes, ServiceTimes

LANE = "on-prem"
# So many images are handed on by one event where that many wait.
LUMP = 8

Range = tuple[int, int]  # images [first, end)


@dataclass(frozen=True)
class OnPrem:
    """What the lane runs on. The defaults are those of Skylane's settings."""

    hosts: int = 1
    cores: float = 2.0  # of each host; less than it has, where others use it too
    workers: int = 1  # on each host
    streams: int = 2  # batches that a worker has in work at once; it takes one for each core
    api_processes: int = 1  # on each host
    batch_images: int = 64
    in_hand: int = 64  # messages
    images_per_message: int = 1  # an upload of many images is sent on in messages of up to 64


def simulate_on_prem(
    arrivals_s: Floats, times: ServiceTimes, config: OnPrem, rng: np.random.Generator
) -> Outcomes:
    """Return what becomes of images that come at these times, in order, until all are committed.

    Raises:
        ValueError: the arrivals are not in order.
    """
    lane = _Lane(arrivals_s, times, config, rng)
    lane.run()
    return Outcomes(
        lane=LANE,
        scheduled_s=arrivals_s,
        accepted_s=lane.accepted_s,
        committed_s=lane.committed_s,
        batch_images=lane.batch_images,
        environments={},
    )


class _Lane:
    def __init__(
        self, arrivals_s: Floats, times: ServiceTimes, config: OnPrem, rng: np.random.Generator
    ) -> None:
        self.env = simpy.Environment()
        self.config = config
        self.times = times
        self.batch_times = BatchTimes(times.batches)
        self.accepted_s = np.full(len(arrivals_s), np.nan)
        self.committed_s = np.full(len(arrivals_s), np.nan)
        self.batch_images = np.zeros(len(arrivals_s), dtype=np.int64)
        self.rng = rng
        self._arrivals_s = arrivals_s
        self._accept_s = _Drawn(times.accept_ms, rng)
        self._queue: deque[Range] = deque()
        self._hosts = [_Host(self) for _ in range(config.hosts)]
        self._workers = [worker for host in self._hosts for worker in host.workers]

    def run(self) -> None:
        self.env.process(self._arrive())
        self.env.run()

    def _arrive(self) -> simpy.events.ProcessGenerator:
        hosts = cycle(self._hosts)
        for at_s, first, end in groups(self._arrivals_s):
            yield self.env.timeout(max(0.0, at_s - self.env.now))
            for one in _parts(first, end, max(LUMP, self.config.images_per_message)):
                host = next(hosts)
                work_s = self._accept_s.total(one[1] - one[0])
                host.api.submit(work_s, lambda host=host, one=one: self._accept(host, one))  # type: ignore[misc]

    def _accept(self, host: _Host, images: Range) -> None:
        self.accepted_s[slice(*images)] = self.env.now
        if self.times.other_ms:
            host.others.submit((images[1] - images[0]) * self.times.other_ms / MS_PER_S, _nothing)
        self._queue.extend(_parts(*images, self.config.images_per_message))
        self.offer()

    def offer(self) -> None:
        """Let workers take messages, those with the least in hand first."""
        while self._queue:
            ready = [worker for worker in self._workers if worker.room]
            if not ready:
                return
            worker = min(ready, key=lambda one: one.in_hand)
            number = min(len(self._queue), worker.room, LUMP)
            worker.take([self._queue.popleft() for _ in range(number)])


class _Host:
    """A machine with its cores, an API, workers, and what else runs there."""

    def __init__(self, lane: _Lane) -> None:
        config = lane.config
        self.cores = Cores(lane.env, config.cores)
        self.api = Station(self.cores, config.api_processes)
        # Each is a program or a few, so it gets no more than a few cores however much there is.
        self.others = Station(self.cores, max(1, round(config.cores)))
        self.workers = [_Worker(lane, self.cores) for _ in range(config.workers)]


class _Worker:
    """A process: an interpreter that does one thing at a time, and streams that batches run on."""

    def __init__(self, lane: _Lane, cores: Cores) -> None:
        self._lane = lane
        self._cores = cores
        self._interpreter = Station(cores, 1)
        self._hand_over_s = _Drawn(lane.times.hand_over_ms, lane.rng)
        # Half of what the interpreter does for a message is before its batch, half after: it
        # takes it in and tells of it twice, it acknowledges and tells of its end.
        self._half_s = lane.times.worker_ms / MS_PER_S / 2
        self._free_streams = lane.config.streams
        self._gathered: deque[Range] = deque()
        self._handing = False
        self.in_hand = 0

    @property
    def room(self) -> int:
        """How many messages it takes now. While it takes some, no others."""
        return 0 if self._handing else self._lane.config.in_hand - self.in_hand

    def take(self, messages: list[Range]) -> None:
        """Take messages from the queue."""
        self.in_hand += len(messages)
        self._handing = True
        # What the interpreter does is in the time that was measured, and not to count twice.
        drawn_s = max(self._hand_over_s.one() for _ in messages)
        rest_s = max(0.0, drawn_s - self._half_s)

        def taken() -> None:
            self._handing = False
            self._cores.run(rest_s, lambda: self._gather(messages))
            self._lane.offer()

        self._interpreter.submit(self._half_s * len(messages), taken)

    def _gather(self, messages: list[Range]) -> None:
        self._gathered.extend(messages)
        self._begin()

    def _begin(self) -> None:
        while self._free_streams and self._gathered:
            messages, images = [], 0
            while self._gathered and images < self._lane.config.batch_images:
                messages.append(self._gathered.popleft())
                images += messages[-1][1] - messages[-1][0]
            self._free_streams -= 1
            work_s = self._lane.batch_times.draw_s(images, self._lane.rng)
            self._cores.run(work_s, self._end(messages, images))

    def _end(self, messages: list[Range], images: int) -> Callable[[], None]:
        def end() -> None:
            for first, last in messages:
                self._lane.committed_s[first:last] = self._lane.env.now
                self._lane.batch_images[first:last] = images
            self._free_streams += 1
            self._begin()
            self._interpreter.submit(self._half_s * len(messages), lambda: self._let_go(messages))

        return end

    def _let_go(self, messages: list[Range]) -> None:
        self.in_hand -= len(messages)
        self._lane.offer()


class _Drawn:
    """Samples drawn anew, some thousand at once, because one at a time is slow."""

    def __init__(self, samples_ms: list[float], rng: np.random.Generator) -> None:
        self._samples_s = np.asarray(samples_ms, dtype=np.float64) / MS_PER_S
        self._rng = rng
        self._drawn: list[float] = []

    def one(self) -> float:
        if not self._drawn:
            self._drawn = self._rng.choice(self._samples_s, 4096).tolist()
        return self._drawn.pop()

    def total(self, number: int) -> float:
        return sum(self.one() for _ in range(number))


def _parts(first: int, end: int, size: int) -> list[Range]:
    return [(one, min(end, one + size)) for one in range(first, end, size)]


def _nothing() -> None:
    """Nobody waits for this."""
