"""The broker is killed, emptied and cut off, and repeats itself."""

from __future__ import annotations

import shutil
import signal
import time
from contextlib import suppress

from tests.chaos.experiment import Strike, experiment
from tests.chaos.world import QUEUE

TIMES = 3
ROUNDS = 4  # of repeating what waits, over the rest of a burst


@experiment("SIGKILL of the broker, with its append-only file")
def broker_killed(strike: Strike) -> None:
    strike.moment()
    strike.world.broker.down(signal.SIGKILL)
    strike.outage()
    strike.world.broker.up()


@experiment("SIGKILL of the broker, without its append-only file: all messages lost")
def broker_lost(strike: Strike) -> None:
    strike.moment()
    strike.world.broker.down(signal.SIGKILL)
    shutil.rmtree(strike.world.home / "redis" / "appendonlydir")
    strike.outage()
    strike.world.broker.up()


@experiment("FLUSHALL on the broker mid-burst")
def broker_emptied(strike: Strike) -> None:
    with strike.world.stopped(*strike.world.workers):  # so that there is something to lose
        strike.moment()
        for _ in range(strike.rng.choice((1, 3))):
            time.sleep(0.1)
            strike.world.client().flushall()


@experiment("broker frozen for seconds (SIGSTOP, SIGCONT)")
def broker_frozen(strike: Strike) -> None:
    strike.moment()
    with strike.world.stopped(strike.world.broker):
        strike.silence()


@experiment("broker out of memory: it takes nothing for seconds")
def broker_full(strike: Strike) -> None:
    client = strike.world.client()
    with strike.world.stopped(*strike.world.workers):  # so that there is something to take
        strike.moment()
        time.sleep(0.2)
        client.config_set("maxmemory", 1)
    try:
        strike.outage()
    finally:
        client.config_set("maxmemory", 0)


@experiment("broker and PostgreSQL killed at once (SIGKILL), and restarted")
def both_killed(strike: Strike) -> None:
    strike.moment()
    for server in (strike.world.broker, strike.world.postgres):
        server.down(signal.SIGKILL)
    strike.outage()
    for server in (strike.world.postgres, strike.world.broker):
        server.up()


@experiment("what waits delivered three times, in any order, several times over a burst")
def messages_tripled(strike: Strike) -> None:
    world, client, repeated = strike.world, strike.world.client(), 0
    strike.moment(last=0.3)
    for _ in range(ROUNDS):
        with world.stopped(*world.workers):  # so that messages wait
            with suppress(AssertionError):  # the burst is over
                world.until_queued(limit_s=0.5)
            time.sleep(strike.burst.size.over_s / ROUNDS / 2)
            messages = client.lrange(QUEUE, 0, -1)
            again = list(messages) * (TIMES - 1)
            strike.rng.shuffle(again)
            if again:
                client.rpush(QUEUE, *again)
            repeated += len(messages)
        time.sleep(strike.burst.size.over_s / ROUNDS / 4)  # some are taken up
    strike.notes["messages"] = repeated
    assert repeated, "no message was repeated"
