"""The wall clock is stepped back, and forth again."""

from __future__ import annotations

from tests.chaos.experiment import Strike, experiment

HOUR_S = 3600
LATER = """
    UPDATE predictions SET accepted_at = accepted_at + interval '1 hour',
        enqueued_at = enqueued_at + interval '1 hour', started_at = started_at + interval '1 hour'
    WHERE status IN ('pending', 'running')"""


@experiment("clock stepped back by an hour, with a worker killed and the broker emptied")
def clock_stepped_back(strike: Strike) -> None:
    world = strike.world
    with world.stopped(*world.workers):  # so that something is in hand, and something waits
        strike.moment()
        if world.clock.env:
            world.clock_s -= HOUR_S
            world.clock.step(world.clock_s)
        else:  # without a compiler: to a database it looks alike when the rows are of a later time
            with world.database() as connection, connection.cursor() as cursor:
                cursor.execute(LATER)
        strike.rng.choice(world.workers).strike()
        world.client().flushall()
