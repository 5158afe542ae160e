"""Images that kill their worker, whatever worker it is."""

from __future__ import annotations

from tests.chaos.experiment import Strike, experiment
from tests.chaos.hooks.sitecustomize import EXHAUST, SEGFAULT


# Tried three times, of which each may lie for a bound; and all that time workers die.
@experiment("poison: one image of the burst ends its worker by SIGSEGV", bounds=3)
def poison_segfault(strike: Strike) -> None:
    strike.moment()
    strike.burst.send(1, ending=SEGFAULT)


@experiment("poison: one image takes all memory that its worker may have (RLIMIT_AS)", bounds=3)
def poison_memory(strike: Strike) -> None:
    strike.moment()
    strike.burst.send(1, ending=EXHAUST)
