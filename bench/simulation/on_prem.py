"""The on-prem lane: APIs, a queue, and workers that take what gathered.

    arrives ─▶ API ─▶ accepted ─▶ queue ─▶ worker: in hand ─▶ batch on a stream ─▶ committed

As in `batching.py`, a stream that is free takes what is in hand by then, up to ``batch_images``,
and a worker has at most ``in_hand`` messages that are not done (SKYLANE_WORKER_THREADS). API,
interpreter, batches and what else an image costs share the host's cores (`bench.simulation.cores`).

What it leaves out: flushes of the disk are as slow as they were measured, however many there are;
PostgreSQL's work is done on the host that caused it; others' work on the host is steady, where the
real one comes in bursts, so that the longest waits near saturation are predicted too short.
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
from bench.simulation.service_times import MS_PER_S, BatchTimes, Drawn, ServiceTimes

LANE = "on-prem"
# So many images are handed on by one event where that many wait.
LUMP = 8

Range = tuple[int, int]  # images [first, end)


@dataclass(frozen=True)
class OnPrem:
    """What the lane runs on. The defaults are those of Skylane's settings."""

    hosts: int = 1
    cores: float = 2.0  # of each host; less, where others take some and give way to nobody
    rivals: float = (
        0.0  # programs of others on each host that want a core all the time, and share it
    )
    workers: int = 1  # on each host
    streams: int = 2  # batches that a worker has in work at once; it takes one for each core
    api_processes: int = 1  # on each host
    batch_images: int = 64
    in_hand: int = 64  # messages
    eager_ms: float = 3.0  # that who has slept has a core at once; a slice of Linux's scheduler
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
        self._accept_s = Drawn(times.accept_ms, rng)
        # Half of what an API does for an image is before it is accepted: to read it and to have it
        # stored. Half is after: to send the message and the answer. The worker's likewise.
        self._half_s = times.api_process_ms / MS_PER_S / 2
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
                self._upload(host, one)

    def _upload(self, host: _Host, images: Range) -> None:
        """Have an API read what was sent together; the rest of the time is the stores'."""
        work_s = self._half_s * (images[1] - images[0])
        rest_s = max(0.0, self._accept_s.one() - self._half_s)

        def stored() -> None:
            timeout = self.env.timeout(rest_s)
            timeout.callbacks.append(lambda _: self._accept(host, images))

        host.api.submit(work_s, stored)

    def _accept(self, host: _Host, images: Range) -> None:
        self.accepted_s[slice(*images)] = self.env.now
        if self._half_s:
            host.api.submit(self._half_s * (images[1] - images[0]), _nothing)
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
        self.cores = Cores(lane.env, config.cores, config.eager_ms / MS_PER_S, config.rivals)
        self.api = Station(self.cores, config.api_processes)
        # Each is a program or a few, so it gets no more than a few cores however much there is.
        self.others = Station(self.cores, max(1, round(config.cores)))
        self.workers = [_Worker(lane, self.cores, self.others) for _ in range(config.workers)]


class _Worker:
    """A process: an interpreter that does one thing at a time, and streams that batches run on."""

    def __init__(self, lane: _Lane, cores: Cores, others: Station) -> None:
        self._lane = lane
        self._cores = cores
        self._others = others
        self._interpreter = Station(cores, 1)
        self._hand_over_s = Drawn(lane.times.hand_over_ms, lane.rng)
        # To take a message in and tell of it; to acknowledge it and tell of its end.
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
        # The rest is waiting: for the broker to be asked, for a thread to have its turn.
        drawn_s = max(self._hand_over_s.one() for _ in messages)
        rest_s = max(0.0, drawn_s - self._half_s)
        images = sum(end - first for first, end in messages)

        def taken() -> None:
            self._handing = False
            timeout = self._lane.env.timeout(rest_s)
            timeout.callbacks.append(lambda _: self._gather(messages))
            self._lane.offer()

        self._interpreter.submit(self._half_s * images, taken)

    def _gather(self, messages: list[Range]) -> None:
        self._gathered.extend(messages)
        self._begin(slept=True)

    def _begin(self, *, slept: bool) -> None:
        while self._free_streams and self._gathered:
            messages, images = [], 0
            while self._gathered and images < self._lane.config.batch_images:
                messages.append(self._gathered.popleft())
                images += messages[-1][1] - messages[-1][0]
            self._free_streams -= 1
            work_s = self._lane.batch_times.draw_s(images, self._lane.rng)
            self._cores.run(work_s, self._end(messages, images), slept=slept)

    def _end(self, messages: list[Range], images: int) -> Callable[[], None]:
        def end() -> None:
            for first, last in messages:
                self._lane.committed_s[first:last] = self._lane.env.now
                self._lane.batch_images[first:last] = images
            self._free_streams += 1
            self._begin(slept=False)
            self._interpreter.submit(self._half_s * images, lambda: self._let_go(messages))
            if other_s := self._lane.times.other_batch_ms / MS_PER_S:
                self._others.submit(other_s, _nothing)

        return end

    def _let_go(self, messages: list[Range]) -> None:
        self.in_hand -= len(messages)
        self._lane.offer()


def _parts(first: int, end: int, size: int) -> list[Range]:
    return [(one, min(end, one + size)) for one in range(first, end, size)]


def _nothing() -> None:
    """Nobody waits for this."""
