"""Images that kill their worker, whatever worker it is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.experiment import Strike, experiment
from tests.chaos.hooks.sitecustomize import EXHAUST, SEGFAULT
from tests.chaos.world import World


# Tried three times, of which each may lie for a bound; and all that time workers die.
@experiment("poison: one image of the burst ends its worker by SIGSEGV", bounds=3)
def poison_segfault(strike: Strike) -> None:
    strike.moment()
    strike.burst.send(1, ending=SEGFAULT)


@contextmanager
def starved(world: World) -> Iterator[None]:
    """Bear that workers end of their own accord, for lack of memory; and have fresh ones after."""
    world.forgiving = True
    try:
        yield
    finally:
        for worker in world.workers:
            worker.down(signal.SIGKILL)
            worker.up()
        world.settle()
        world.forgiving = False


@experiment(
    "poison: one image takes all memory that its worker may have (RLIMIT_AS)",
    around=starved,
    bounds=3,
)
def poison_memory(strike: Strike) -> None:
    strike.moment()
    strike.burst.send(1, ending=EXHAUST)
