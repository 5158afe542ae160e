"""The serverless lane: a function that accepts, an event's way, and one that classifies.

    arrives ─▶ API Gateway ─▶ api ─▶ accepted ─▶ S3, SQS ─▶ queue ─▶ pollers ─▶ infer ─▶ committed

Nothing of `infer` comes back to `api`, so they are simulated one after the other. A call that API
Gateway or Lambda refuses is not tried again: its image is never accepted.

Pollers: Lambda reads a queue by five calls of the function at once, and while messages wait by 300
more every minute, up to the concurrency that is set
(https://aws.amazon.com/blogs/compute/introducing-faster-polling-scale-up-for-aws-lambda-functions-configured-with-amazon-sqs/),
and never by more than 1,000: that is where one queue's mapping ends. More calls at once take more
queues, each with a mapping of its own; S3 tells them apart by the beginnings of keys. It is taken
that pollers come evenly, that they go as fast when nothing waits, and that all queues get alike.

What it leaves out: a batch's window, messages that come twice, receives that give less than there
is, the limit of ten calls a second for each environment that may be, and the database, which is
as fast at any load as it was when it was measured.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from bench.lambda_lane.limits import MAPPING_BATCHES
from bench.simulation.arrivals import Floats, Outcomes, groups
from bench.simulation.environments import Environments, Scaling
from bench.simulation.service_times import MS_PER_S, BadServiceTimes, BatchTimes, ServiceTimes

LANE = "serverless"
GRAIN_S = 0.001  # environments come back by milliseconds, those of one together


@dataclass(frozen=True)
class Serverless:
    """How the lane is deployed. The defaults are prod's, of infra/serverless.yml."""

    through_api: bool = True  # else images are sent straight to S3, by forms that were signed
    throttle_per_s: float | None = 200.0  # API Gateway's (apiThrottleRate); none: no limit
    throttle_burst: float = 200.0
    api: Scaling = field(default_factory=Scaling)
    infer: Scaling = field(default_factory=Scaling)
    concurrency: int = 200  # calls of infer that SQS may have at once (inferConcurrency), in all
    mappings: int = 1  # queues
    batch_messages: int = 10
    pollers: int = 5  # calls at once, to begin with, of each mapping
    pollers_per_min: float = 300.0  # more of them, of each mapping, while messages wait

    @property
    def most_calls(self) -> int:
        """Calls of infer at once, at most: mappings end, however much concurrency there is."""
        return min(self.concurrency, self.mappings * MAPPING_BATCHES)


def simulate_serverless(
    arrivals_s: Floats, times: ServiceTimes, config: Serverless, rng: np.random.Generator
) -> Outcomes:
    """Return what becomes of images that come at these times, in order, until all are committed.

    Raises:
        BadServiceTimes: those of this lane are missing.
        ValueError: the arrivals are not in order.
    """
    names = ["infer", "infer_init_ms"]
    names += ["api_ms", "api_init_ms"] if config.through_api else []
    if missing := [name for name in names if not getattr(times, name)]:
        raise BadServiceTimes(f"the serverless lane needs {', '.join(missing)}")
    environments = {}
    accepted_s = arrivals_s.copy()
    if config.through_api:
        api = _Api(arrivals_s, times, config, rng)
        accepted_s, environments["api"] = api.accepted_s, api.environments.history()
    there_s = accepted_s + _drawn_s(times.event_ms or [0.0], len(accepted_s), rng)
    infer = _Infer(there_s, times, config, rng)
    environments["infer"] = infer.environments.history()
    return Outcomes(
        lane=LANE,
        scheduled_s=arrivals_s,
        accepted_s=accepted_s,
        committed_s=infer.committed_s,
        batch_images=infer.batch_images,
        environments=environments,
    )


class _Api:
    """Uploads, each a call that is answered when its image is accepted."""

    def __init__(
        self, arrivals_s: Floats, times: ServiceTimes, config: Serverless, rng: np.random.Generator
    ) -> None:
        self.environments = Environments(config.api)
        self.accepted_s = np.full(len(arrivals_s), np.nan)
        self._env = simpy.Environment()
        self._times = times
        self._config = config
        self._rng = rng
        self._tokens = config.throttle_burst
        self._tokens_at_s = 0.0
        self._env.process(self._arrive(arrivals_s))
        self._env.run()

    def _arrive(self, arrivals_s: Floats) -> simpy.events.ProcessGenerator:
        for at_s, first, end in groups(arrivals_s):
            yield self._env.timeout(max(0.0, at_s - self._env.now))
            warm, cold = self.environments.take(self._let_in(end - first), at_s)
            took_s = _drawn_s(self._times.api_ms, warm + cold, self._rng)
            took_s[warm:] += _drawn_s(self._times.api_init_ms, cold, self._rng)
            # Which of those that come together are refused makes no difference.
            self.accepted_s[first : first + warm + cold] = at_s + took_s
            ends, numbers = np.unique(np.ceil(took_s / GRAIN_S), return_counts=True)
            for grains, number in zip(ends.tolist(), numbers.tolist(), strict=True):
                self._give_back(grains * GRAIN_S, number)

    def _let_in(self, wanted: int) -> int:
        """Return how many calls API Gateway lets through."""
        if self._config.throttle_per_s is None:
            return wanted
        gained = (self._env.now - self._tokens_at_s) * self._config.throttle_per_s
        self._tokens = min(self._config.throttle_burst, self._tokens + gained)
        self._tokens_at_s = self._env.now
        let_in = min(wanted, int(self._tokens))
        self._tokens -= let_in
        return let_in

    def _give_back(self, after_s: float, number: int) -> None:
        timeout = self._env.timeout(after_s)
        timeout.callbacks.append(lambda _: self.environments.release(number, self._env.now))


class _Infer:
    """Messages, taken in batches by as many calls as there are pollers and environments."""

    def __init__(
        self, there_s: Floats, times: ServiceTimes, config: Serverless, rng: np.random.Generator
    ) -> None:
        self.environments = Environments(config.infer)
        self.committed_s = np.full(len(there_s), np.nan)
        self.batch_images = np.zeros(len(there_s), dtype=np.int64)
        self._env = simpy.Environment()
        self._config = config
        self._rng = rng
        self._batch_times = BatchTimes(times.infer)
        self._init_ms = times.infer_init_ms
        self._least_pollers = float(config.pollers * config.mappings)
        self._pollers = self._least_pollers
        self._pollers_per_s = config.pollers_per_min * config.mappings / 60
        self._pollers_at_s = 0.0
        self._waits = False  # since the pollers were counted last
        self._asked = False  # a further look is planned
        # In the order in which they are there; those that never are, last.
        self._order = np.argsort(there_s, kind="stable")[: int(np.isfinite(there_s).sum())]
        self._waiting: deque[tuple[int, int]] = deque()  # ranges of the order
        self._env.process(self._arrive(there_s[self._order]))
        self._env.run()

    def _arrive(self, there_s: Floats) -> simpy.events.ProcessGenerator:
        for at_s, first, end in groups(there_s):
            yield self._env.timeout(max(0.0, at_s - self._env.now))
            self._waiting.append((first, end))
            self._call()

    def _call(self) -> None:
        """Start as many calls as may be."""
        self._count_pollers()
        while self._waiting and self.environments.busy < min(
            int(self._pollers), self._config.most_calls
        ):
            warm, cold = self.environments.take(1, self._env.now)
            if not warm + cold:
                break
            images = self._order[self._batch()]
            took_s = self._batch_times.draw_s(len(images), self._rng)
            if cold:
                took_s += float(_drawn_s(self._init_ms, 1, self._rng)[0])
            self._env.timeout(took_s, images).callbacks.append(self._end)
        self._waits = bool(self._waiting)
        if self._waits and not self._asked and self.environments.busy < self._config.most_calls:
            # What holds it up is time: for the next poller, or to be allowed an environment.
            self._asked = True
            scaling = self._config.infer
            next_s = min(1 / self._pollers_per_s, scaling.start_burst_s / scaling.start_burst)
            self._env.timeout(next_s).callbacks.append(self._look_again)

    def _look_again(self, _: Any) -> None:
        self._asked = False
        self._call()

    def _end(self, event: Any) -> None:
        self.committed_s[event.value] = self._env.now
        self.batch_images[event.value] = len(event.value)
        self.environments.release(1, self._env.now)
        self._call()

    def _batch(self) -> slice:
        """Take what waits, up to a batch. Ranges of the order follow one another."""
        first = self._waiting[0][0]
        end = first
        while self._waiting and end - first < self._config.batch_messages:
            _, there = self._waiting.popleft()
            end = min(there, first + self._config.batch_messages)
            if end < there:
                self._waiting.appendleft((end, there))
        return slice(first, end)

    def _count_pollers(self) -> None:
        passed_s = self._env.now - self._pollers_at_s
        change = passed_s * self._pollers_per_s
        self._pollers = min(
            max(self._least_pollers, float(self._config.most_calls)),
            max(self._least_pollers, self._pollers + (change if self._waits else -change)),
        )
        self._pollers_at_s = self._env.now


def _drawn_s(samples_ms: list[float], number: int, rng: np.random.Generator) -> Floats:
    return rng.choice(np.asarray(samples_ms, dtype=np.float64), number) / MS_PER_S
