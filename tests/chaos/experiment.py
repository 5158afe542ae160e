"""One experiment with one seed: a burst, a fault in the midst of it, and what it came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from tests.chaos import audit
from tests.chaos.audit import Outcome
from tests.chaos.burst import Burst, Size

# A poisoned image may take its neighbours along when it is tried with them, and once more when it
# is tried alone, with those that its worker took up after it. From then on it comes last.
NEIGHBOURS_BOUNDS = 2


class Place(Protocol):
    """Where experiments are made: a lane that runs."""

    @property
    def url(self) -> str:
        """The API's address."""

    @property
    def database_url(self) -> str:
        """The database's, with the audit installed."""

    @property
    def bound_s(self) -> float:
        """Within which an image has its result, whatever died."""

    def stored(self, key: str) -> bytes:
        """Return an object's bytes; raises whatever says that there are none."""

    def settle(self) -> None:
        """Wait until all is as it was before a fault; an ``AssertionError`` if it never is."""


@dataclass
class Strike:
    """What a fault has at hand. ``world`` is the place that its experiment is registered for."""

    world: Any
    burst: Burst
    rng: Random
    began_s: float = 0.0  # when the fault was there; by the monotonic clock
    ended_s: float = 0.0
    notes: dict[str, float] = field(default_factory=dict)

    def moment(self, last: float = 0.9) -> None:
        """Wait for a random moment of the burst, up to that part of it, and begin there."""
        at_s = self.rng.uniform(0.05, last) * self.burst.size.over_s
        time.sleep(max(0.0, self.burst.began_s + at_s - time.monotonic()))
        self.began_s = time.monotonic()

    def outage(self) -> None:
        """Let a fault last for a random while."""
        time.sleep(self.rng.uniform(0.3, 1.5))

    def silence(self) -> None:
        """Let somebody be silent for a random while: in a large burst also for one so long that
        others give up an answer, after five seconds."""
        time.sleep(self.rng.choice((0.5, 1.5, 8)) if self.burst.size.over_s > 1 else 1)


Inject = Callable[[Strike], None]
Around = Callable[[Any], AbstractContextManager[object]]


def _nothing(_: Any) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True)
class Experiment:
    """A fault, in the words of the table, and who injects it.

    ``around`` makes what several seeds share. ``place`` names where it is made. ``bounds`` is
    its bound, in bounds of the place. ``impossible`` says why this machine does not allow it, or
    nothing.
    """

    name: str
    fault: str
    inject: Inject
    around: Around
    place: str
    bounds: float
    impossible: Callable[[], str]


REGISTRY: dict[str, Experiment] = {}


def experiment(
    fault: str,
    *,
    around: Around = _nothing,
    place: str = "on-prem",
    bounds: float = 1.0,
    impossible: Callable[[], str] = lambda: "",
) -> Callable[[Inject], Inject]:
    """Register a function as the experiment of its name."""

    def registered(inject: Inject) -> Inject:
        name = inject.__name__
        REGISTRY[name] = Experiment(name, fault, inject, around, place, bounds, impossible)
        return inject

    return registered


def run(place: Place, one: Experiment, seed: int, size: Size) -> Outcome:
    """Run an experiment once; the place is as it was when this returns, or ``broken`` is set.

    Whatever is raised meanwhile is a trouble of this seed: what is not written down would be tried
    again until it goes well.
    """
    began_s = time.monotonic()
    rng = Random(f"{one.name} {seed}")
    burst = Burst(place.url, audit.TILES, rng, size, f"{one.name}-{seed}-{time.time_ns():x}")
    strike = Strike(place, burst, rng)
    outcome, raised = Outcome(), []
    raised += _tried("the fault", lambda: one.inject(strike))
    strike.ended_s = time.monotonic()
    strike.began_s = strike.began_s or strike.ended_s
    raised += _tried("the clients", burst.finish)
    try:
        outcome = _reckoned(place, one, strike)
    except Exception as error:
        raised.append(_told("the reckoning", error))
    outcome.notes |= strike.notes
    outcome.took_s = time.monotonic() - began_s
    raised += _tried("afterwards", place.settle)
    outcome.settled_s = time.monotonic() - began_s - outcome.took_s
    outcome.troubles += raised
    outcome.broken = bool(raised)
    return outcome


def _reckoned(place: Place, one: Experiment, strike: Strike) -> Outcome:
    # A fault that lasts is no one's to recover from; the clients wait for its end as well.
    bound_s = one.bounds * place.bound_s + strike.ended_s - strike.began_s
    images = strike.burst.images
    audit.wait_for_ends(place.database_url, images, audit.PATIENCE * bound_s)
    outcome = audit.reckon(place.database_url, images, place.stored, strike.began_s, bound_s)
    if outcome.notes.get("neighbours_s", 0) > NEIGHBOURS_BOUNDS * place.bound_s:
        outcome.troubles.append(f"neighbours waited for {outcome.notes['neighbours_s']:.1f} s")
    return outcome


def _tried(what: str, step: Callable[[], object]) -> list[str]:
    try:
        step()
    except Exception as error:
        return [_told(what, error)]
    return []


def _told(what: str, error: Exception) -> str:
    first = str(error).partition("\n")[0]
    return f"{what}: {first if isinstance(error, AssertionError) else repr(error)}"


def several(place: Place, one: Experiment, seeds: Iterator[int], size: Size) -> Iterator[Outcome]:
    """Run an experiment with several seeds, until one leaves the place broken."""
    with one.around(place):
        for seed in seeds:
            outcome = run(place, one, seed, size)
            yield outcome
            if outcome.broken:
                return
