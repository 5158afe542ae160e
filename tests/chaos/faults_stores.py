"""PostgreSQL is stopped, killed and out of connections; the image store is full."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import psycopg2

from tests.chaos.experiment import Strike, experiment
from tests.chaos.world import World

STORE_BYTES = 64 * 1024 * 1024
FULL_WITHIN_S = 20.0
LARGEST_FILE_BYTES = 1000  # less than any tile has


@experiment("PostgreSQL stopped (fast) and restarted")
def database_stopped(strike: Strike) -> None:
    _restart(strike, signal.SIGINT)


@experiment("PostgreSQL stopped (immediate) and restarted")
def database_crashed(strike: Strike) -> None:
    _restart(strike, signal.SIGQUIT)


@experiment("SIGKILL of PostgreSQL's postmaster, and restart")
def database_killed(strike: Strike) -> None:
    _restart(strike, signal.SIGKILL)


@experiment("SIGKILL of one of PostgreSQL's backends: it restarts itself")
def backend_killed(strike: Strike) -> None:
    strike.moment()
    with strike.world.database() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'skylane' ORDER BY pid"
        )
        pids = [pid for (pid,) in cursor.fetchall()]
    with suppress(psutil.NoSuchProcess):
        psutil.Process(strike.rng.choice(pids)).kill()
    time.sleep(0.1)
    strike.world.postgres.wait_ready()


@experiment("all of PostgreSQL frozen for seconds (SIGSTOP, SIGCONT)")
def database_frozen(strike: Strike) -> None:
    strike.moment()
    server = psutil.Process(strike.world.postgres.pid)
    processes = [server, *server.children()]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(strike.rng.uniform(1, 3))
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()


@experiment("PostgreSQL out of connections")
def database_out_of_connections(strike: Strike) -> None:
    strike.moment()
    taken: list[Any] = []
    lasts_s, full_s = strike.rng.uniform(0.5, 1.5), 0.0
    gives_up_s = time.monotonic() + FULL_WITHIN_S
    try:
        while time.monotonic() < (full_s + lasts_s if full_s else gives_up_s):
            try:
                taken.append(psycopg2.connect(strike.world.settings.database_url))
            except psycopg2.OperationalError:
                full_s = full_s or time.monotonic()
                # Full: now those whose work this is lose theirs, and what they had is taken too.
                with taken[0].cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'skylane'"
                    )
        assert full_s, "there were connections left"
        strike.notes["connections"] = len(taken)
    finally:
        for one in taken:
            one.close()


@contextmanager
def small_disk(world: World) -> Iterator[None]:
    """Put the images on a file system of their own, where this user may; see ``_fill``."""
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={STORE_BYTES}", "tmpfs", str(world.images)],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(world.images)], check=True)


@experiment("disk of the image store full (a tmpfs; else RLIMIT_FSIZE)", around=small_disk)
def disk_full(strike: Strike) -> None:
    strike.moment()
    if not strike.world.images.is_mount():
        strike.notes["disk_not_mounted"] = 1
        pids = strike.world.api_processes()
        for pid in pids:
            psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (LARGEST_FILE_BYTES, -1))
        strike.outage()
        for pid in pids:
            psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (-1, -1))
        return
    filler = strike.world.images / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1024 * 1024)):  # less than asked for, and then ENOSPC
                pass
        # Some images fit again, one by one.
        until_s = time.monotonic() + strike.rng.uniform(0.5, 1.5)
        while time.monotonic() < until_s:
            time.sleep(0.1)
            with filler.open("r+b") as file:
                file.truncate(
                    max(0, filler.stat().st_size - strike.rng.choice((0, 0, 4096, 16384)))
                )
    finally:
        filler.unlink()


def _restart(strike: Strike, number: signal.Signals) -> None:
    strike.moment()
    strike.world.postgres.down(number)
    strike.outage()
    strike.world.postgres.up()
