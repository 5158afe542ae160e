"""A steady load for long, with a worker recycled: what a process holds stays what it holds."""

from __future__ import annotations

import signal
import statistics
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import psutil

from tests.chaos import audit
from tests.chaos.burst import Burst, Size
from tests.chaos.figures import machine
from tests.chaos.program import Program
from tests.chaos.world import World

BYTES_PER_MB = 1e6
S_PER_H = 3600.0
# One after the other, so that a burst is the load of its time: 30 images a second.
LOAD = Size(singles=100, batches=5, batch_images=40, over_s=10.0)
RECYCLE_EVERY = 18  # bursts, so about three minutes
WARM_UP = 0.3  # of the samples of a process, in which it may still grow
MORE_FILES = 40  # at the end than at first
MORE_CONNECTIONS = 10
# What half an hour tells from an allocator's noise. At 30 images a second it is 370 bytes an image;
# a smaller leak is not seen.
SLOPE_MB_PER_H = 40.0
# A slope over less says nothing: in ten minutes the bound is 7 MB, and in two it would be 1.3 MB,
# which is less than what one batch of another size may have an allocator keep.
SHORTEST_S = 600.0


def run(home: Path, minutes: float) -> dict[str, Any]:
    """Load a world for so long; return what each process held, and what was not flat."""
    rng = Random(1)
    samples: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)
    connections: dict[str, list[int]] = {"PostgreSQL": [], "the broker": []}
    total = audit.Outcome()
    recycled = 0
    every = min(RECYCLE_EVERY, max(2, round(minutes * 60 / LOAD.over_s / 3)))
    with World(home) as world:
        began_s = time.monotonic()
        for number in range(1, 10**9):
            burst = Burst(world.url, audit.TILES, rng, LOAD, f"soak-{number}")
            if number % every == 0:
                # Always the same one: what the other holds has to be flat to the end.
                world.workers[0].down(signal.SIGTERM)
                world.workers[0].up()
                recycled += 1
            burst.finish()
            audit.wait_for_ends(world.database_url, burst.images, world.bound_s)
            outcome = audit.reckon(
                world.database_url, burst.images, world.stored, burst.began_s, world.bound_s
            )
            for member in ("accepted", "done", "failed", "lost", "duplicated"):
                setattr(total, member, getattr(total, member) + getattr(outcome, member))
            total.troubles += outcome.troubles
            total.troubles += [f"ended by itself: {end}" for end in world.own_ends()]
            at_s = time.monotonic() - began_s
            _sample(world, at_s, samples)
            _count(world, connections)
            if at_s > minutes * 60:
                break
    return _told(minutes, recycled, total, samples, connections)


def _sample(
    world: World, at_s: float, samples: dict[tuple[str, int], list[tuple[float, float, int]]]
) -> None:
    """Take down memory and open files of each process."""
    programs: list[Program] = [world.api, *world.workers, world.sweep, world.broker, world.postgres]
    for program in programs:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(program.pid)
            # gunicorn's own does nothing; its children answer.
            for one in process.children() if program is world.api else [process]:
                held = (at_s, one.memory_info().rss / BYTES_PER_MB, one.num_fds())
                samples[program.name, one.pid].append(held)
    # PostgreSQL's backends come and go; memory of their own is what they do not share, and of open
    # files it is those of the one that has most: it keeps those of all tables that it has met.
    own, files = 0.0, 0
    for one in psutil.Process(world.postgres.pid).children():
        with suppress(psutil.NoSuchProcess):  # this one ended meanwhile
            own += one.memory_full_info().uss / BYTES_PER_MB
            files = max(files, one.num_fds())
    samples["postgres' backends, together", 0].append((at_s, own, files))


def _count(world: World, connections: dict[str, list[int]]) -> None:
    with world.database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'skylane'")
        connections["PostgreSQL"].append(cursor.fetchone()[0])
    client: Any = world.client()
    connections["the broker"].append(len(client.client_list()))
    client.close()


def _told(
    minutes: float,
    recycled: int,
    total: audit.Outcome,
    samples: dict[tuple[str, int], list[tuple[float, float, int]]],
    connections: dict[str, list[int]],
) -> dict[str, Any]:
    troubles = list(total.troubles)
    # Of each program the process that lived longest; of the recycled ones that is one of several.
    longest: dict[str, list[tuple[float, float, int]]] = {}
    for (name, _), one in samples.items():
        if len(one) > len(longest.get(name, ())):
            longest[name] = one
    processes = {}
    for name, all_of_it in longest.items():
        steady = all_of_it[int(WARM_UP * len(all_of_it)) :]
        long_enough = len(steady) > 2 and steady[-1][0] - steady[0][0] >= SHORTEST_S
        slope = (
            statistics.linear_regression([s[0] for s in steady], [s[1] for s in steady]).slope
            if long_enough
            else None
        )
        processes[name] = {
            "first_mb": steady[0][1],
            "last_mb": steady[-1][1],
            "slope_mb_per_h": None if slope is None else slope * S_PER_H,
            "slope_bound_mb_per_h": SLOPE_MB_PER_H,
            "files_first": steady[0][2],
            "files_last": steady[-1][2],
        }
        if slope is not None and slope * S_PER_H > SLOPE_MB_PER_H:
            troubles.append(f"{name} grows by {slope * S_PER_H:.0f} MB/h")
        if steady[-1][2] > steady[0][2] + MORE_FILES:
            troubles.append(f"{name} has {steady[-1][2]} open files, after {steady[0][2]}")
    ends = {}
    for name, counts in connections.items():
        steady_counts = counts[int(WARM_UP * len(counts)) :]
        ends[name] = (steady_counts[0], steady_counts[-1])
        if steady_counts[-1] > steady_counts[0] + MORE_CONNECTIONS:
            troubles.append(f"connections to {name} grew: {ends[name]}")
    return {
        "command": f"./test-chaos --soak {minutes:g}",
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "minutes": minutes,
        "recycled": recycled,
        **{
            name: getattr(total, name)
            for name in ("accepted", "done", "failed", "lost", "duplicated")
        },
        "processes": processes,
        "connections": ends,
        "troubles": troubles,
    }
