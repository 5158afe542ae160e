"""Programs are killed, frozen and stopped: worker, sweep, API, and the one that runs them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from local import programs
from tests.chaos.experiment import Strike, experiment
from tests.chaos.program import Program
from tests.chaos.world import World

# What a container engine or ./run gives a program to end in, before SIGKILL.
GRACE_S = 10.0
IN_HAND = "SELECT id FROM predictions WHERE status = 'running' AND worker = %s LIMIT 1"


@experiment("SIGKILL of one of two workers")
def worker_killed(strike: Strike) -> None:
    strike.moment()
    strike.rng.choice(strike.world.workers).strike()


@experiment("SIGKILL of all workers at once")
def workers_killed(strike: Strike) -> None:
    strike.moment()
    for worker in strike.world.workers:
        worker.strike()


@experiment("SIGKILL of a worker between claim, result and acknowledgement")
def worker_killed_between(strike: Strike) -> None:
    strike.moment()
    points = ("after-claim", "before-finish", "after-finish")
    armed = strike.world.arm("worker", strike.rng.choice(points))
    _until_taken(strike, armed, 5.0)


@experiment(
    "one worker frozen with images in hand, for longer than work may lie, then going on"
    " (SIGSTOP, SIGCONT)"
)
def worker_frozen(strike: Strike) -> None:
    strike.moment(last=0.5)
    worker = strike.rng.choice(strike.world.workers)
    _freeze_at_work(strike, worker)
    time.sleep(strike.world.settings.stale_after_s + 1)
    worker.strike(signal.SIGCONT)


def _freeze_at_work(strike: Strike, worker: Program, limit_s: float = 5.0) -> None:
    world, more_s = strike.world, strike.burst.began_s + strike.burst.size.over_s
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        worker.strike(signal.SIGSTOP)
        time.sleep(0.1)  # what it has sent to the database by now is not in its hand any more
        with world.database() as connection, connection.cursor() as cursor:
            cursor.execute(IN_HAND, (world.name_of(worker),))
            if cursor.fetchone():
                return
        worker.strike(signal.SIGCONT)
        time.sleep(strike.rng.uniform(0.005, 0.05))
        if time.monotonic() > more_s:  # the other worker has done what there was, all this while
            strike.burst.send(strike.burst.size.batch_images)
            more_s = time.monotonic() + 0.5
    raise AssertionError(f"{worker.name} had nothing in hand")


@experiment("SIGTERM to all workers during a burst")
def workers_stopped(strike: Strike) -> None:
    strike.moment()
    workers = strike.world.workers
    with ThreadPoolExecutor(len(workers)) as at_once:
        took_s = at_once.map(lambda worker: worker.down(signal.SIGTERM, GRACE_S), workers)
        strike.notes["ended_after_s"] = max(took_s)
    for worker in strike.world.workers:
        worker.up()


@experiment("SIGTERM to API and sweep during a burst")
def api_stopped(strike: Strike) -> None:
    strike.moment()
    limit_s = strike.world.settings.default_wait_s + GRACE_S
    strike.notes["ended_after_s"] = strike.world.api.down(signal.SIGTERM, limit_s)
    strike.world.sweep.down(signal.SIGTERM, GRACE_S)
    strike.world.sweep.up()
    strike.world.api.up()


@experiment("SIGKILL of the API's processes, with gunicorn's own left or killed as well")
def api_killed(strike: Strike) -> None:
    strike.moment()
    if strike.rng.random() < 0.5:
        strike.world.api.strike()
        return
    strike.world.pardon_api_processes()
    for pid in strike.world.api_processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@experiment("SIGKILL of the API between store, insert, enqueue and answer")
def api_killed_between(strike: Strike) -> None:
    strike.moment()
    points = ("after-store", "before-insert", "after-insert", "before-enqueue", "after-enqueue")
    _until_taken(strike, strike.world.arm("api", strike.rng.choice(points)), 5.0)


@experiment("SIGKILL of the sweep, also between taking rows up and sending them; broker emptied")
def sweep_killed(strike: Strike) -> None:
    with strike.world.stopped(*strike.world.workers):  # so that there is something to lose
        strike.moment()
        strike.world.until_queued()
        strike.world.client().flushall()
    point = strike.rng.choice(("after-sweep", "before-enqueue", "after-enqueue", ""))
    if not point:
        strike.world.sweep.strike()
        return
    _until_taken(strike, strike.world.arm("sweep", point), 5.0)


@contextmanager
def more_sweeps(world: World) -> Iterator[None]:
    """Have three sweeps more, for all seeds."""
    variables = world.environment("sweep", SKYLANE_SWEEP_EVERY_S="0.05")
    log = world.home / "logs" / "sweeps.log"
    others = [Program("sweep", programs.sweep(world.settings), log, env=variables) for _ in "123"]
    for other in others:
        other.up()
    try:
        yield
    finally:
        for other in others:
            other.down()
    ends = [end for other in others for end in other.own_ends()]
    assert not ends, f"a sweep has ended by itself: {ends}"


@experiment(
    "three more sweeps at once, each 20 times a second, with the broker emptied",
    around=more_sweeps,
)
def sweeps_at_once(strike: Strike) -> None:
    world = strike.world
    with world.stopped(*world.workers):
        strike.moment()
        world.until_queued()
        world.client().flushall()


def _until_taken(strike: Strike, armed: os.PathLike[str], limit_s: float) -> None:
    """Wait until somebody has died at the point; or disarm it, if nobody came by."""
    deadline_s = time.monotonic() + limit_s
    while os.path.exists(armed) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    with suppress(FileNotFoundError):
        os.unlink(armed)
        strike.notes["nobody_came"] = 1
