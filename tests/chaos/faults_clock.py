"""The wall clock is stepped back, and forth."""

from __future__ import annotations

from datetime import timedelta

from tests.chaos.experiment import Strike, experiment

HOUR_S = 3600
# Without a compiler: to a database it looks alike when the rows are of another time.
SHIFT = """
    UPDATE predictions SET accepted_at = accepted_at + %(by)s, enqueued_at = enqueued_at + %(by)s,
        started_at = started_at + %(by)s
    WHERE status IN ('pending', 'running')"""


@experiment("clock stepped back by an hour, with a worker killed and the broker emptied")
def clock_stepped_back(strike: Strike) -> None:
    _step(strike, -HOUR_S)


@experiment("clock stepped forth by an hour, with a worker killed and the broker emptied")
def clock_stepped_forth(strike: Strike) -> None:
    _step(strike, HOUR_S)


def _step(strike: Strike, by_s: int) -> None:
    world = strike.world
    with world.stopped(*world.workers):  # so that something is in hand, and something waits
        strike.moment()
        if world.clock.env:
            world.clock_s += by_s
            world.clock.step(world.clock_s)
        else:
            strike.notes["clock_not_stepped"] = 1
            with world.database() as connection, connection.cursor() as cursor:
                cursor.execute(SHIFT, {"by": timedelta(seconds=-by_s)})
        strike.rng.choice(world.workers).strike()
        world.client().flushall()
