"""Images that kill their worker, whatever worker it is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.experiment import Strike, experiment
from tests.chaos.hooks.sitecustomize import EXHAUST, SEGFAULT
from tests.chaos.program import ANY_END
from tests.chaos.world import World

STARVED_ENDS = 5


# Tried three times, of which each may lie for a bound; and all that time workers die.
@experiment("poison: one image of the burst ends its worker by SIGSEGV", bounds=3)
def poison_segfault(strike: Strike) -> None:
    strike.moment()
    for worker in strike.world.workers:  # whichever it comes to, and no more often than it is tried
        worker.pardon("SIGSEGV", strike.world.settings.max_attempts)
    strike.burst.send(1, ending=SEGFAULT)


@contextmanager
def starved(world: World) -> Iterator[None]:
    """Have fresh workers after: a worker that ran out of memory has a limit from then on."""
    try:
        yield
    finally:
        for worker in world.workers:
            worker.down(signal.SIGKILL)
            worker.up()
        world.settle()


@experiment(
    "poison: one image takes all memory that its worker may have (RLIMIT_AS)",
    around=starved,
    bounds=3,
)
def poison_memory(strike: Strike) -> None:
    strike.moment()
    for worker in strike.world.workers:  # by an exit or by SIGABRT; under the limit again and again
        worker.pardon(ANY_END, STARVED_ENDS)
    strike.burst.send(1, ending=EXHAUST)
