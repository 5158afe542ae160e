"""One experiment with one seed: a burst, a fault in the midst of it, and what it came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from random import Random

from tests.chaos import audit
from tests.chaos.audit import Outcome
from tests.chaos.burst import Burst, Size
from tests.chaos.world import World


@dataclass
class Strike:
    """What a fault has at hand."""

    world: World
    burst: Burst
    rng: Random
    began_s: float = 0.0  # when the fault was there; by the monotonic clock
    ended_s: float = 0.0
    notes: dict[str, float] = field(default_factory=dict)

    def moment(self) -> None:
        """Wait for a random moment of the burst, and begin there."""
        at_s = self.rng.uniform(0.05, 0.9) * self.burst.size.over_s
        time.sleep(max(0.0, self.burst.began_s + at_s - time.monotonic()))
        self.began_s = time.monotonic()

    def outage(self) -> None:
        """Let a fault last for a random while."""
        time.sleep(self.rng.uniform(0.3, 1.5))


@dataclass(frozen=True)
class Experiment:
    """A fault, in the words of the table, and who injects it.

    ``around`` makes what several seeds share. ``failures`` is how many images of a burst may end
    as failed: of their own fault.
    """

    name: str
    fault: str
    inject: Callable[[Strike], None]
    around: Callable[[World], AbstractContextManager[object]] = lambda _: nullcontext()
    failures: Callable[[Strike], int] = lambda _: 0
    bounds: float = 1.0  # the bound of this one, in bounds of the world


REGISTRY: dict[str, Experiment] = {}


def experiment(
    fault: str,
    *,
    around: Callable[[World], AbstractContextManager[object]] = lambda _: nullcontext(),
    failures: Callable[[Strike], int] = lambda _: 0,
    bounds: float = 1.0,
) -> Callable[[Callable[[Strike], None]], Callable[[Strike], None]]:
    """Register a function as the experiment of its name."""

    def registered(inject: Callable[[Strike], None]) -> Callable[[Strike], None]:
        name = inject.__name__
        REGISTRY[name] = Experiment(name, fault, inject, around, failures, bounds)
        return inject

    return registered


def run(world: World, one: Experiment, seed: int, size: Size) -> Outcome:
    """Run an experiment once; the world is as it was when this returns."""
    began_s = time.monotonic()
    rng = Random(f"{one.name} {seed}")
    burst = Burst(world.url, audit.TILES, rng, size, f"{one.name}-{seed}-{time.time_ns():x}")
    strike = Strike(world, burst, rng)
    try:
        one.inject(strike)
    finally:
        strike.ended_s = time.monotonic()
        strike.began_s = strike.began_s or strike.ended_s
        burst.finish()
    # A fault that lasts is no one's to recover from; the clients wait for its end as well.
    lasted_s = strike.ended_s - strike.began_s
    bound_s = one.bounds * world.bound_s + lasted_s
    url = world.settings.database_url
    audit.wait_for_ends(url, burst.images, audit.PATIENCE * bound_s)
    stored = lambda key: (world.images / key).read_bytes()  # noqa: E731
    outcome = audit.reckon(url, burst.images, stored, strike.began_s, bound_s)
    if missing := sum(not image.accepted for image in burst.images):
        outcome.troubles.append(f"{missing} images were never accepted")
    if outcome.failed != (allowed := one.failures(strike)):
        outcome.troubles.append(f"{outcome.failed} failed, where {allowed} have a reason to")
    outcome.notes = strike.notes
    outcome.took_s = time.monotonic() - began_s
    try:
        world.settle()
    except AssertionError as error:
        outcome.troubles.append(f"afterwards: {error}")
    return outcome


def several(world: World, one: Experiment, seeds: Iterator[int], size: Size) -> Iterator[Outcome]:
    """Run an experiment with several seeds."""
    with one.around(world):
        for seed in seeds:
            yield run(world, one, seed, size)
