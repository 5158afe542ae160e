"""The programs that Skylane is made of, as command lines: ./run and containers start the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from local.ports import bracketed
from settings import Settings

FLOWER_MAX_TASKS = 10_000  # kept in memory, about 1 kB each
FLOWER_PURGE_S = 3600  # after which a worker that is gone is forgotten, and its figures too
DRAIN_S = 5.0  # for requests in hand at the end; who waits longer finds the result later
CELERY = [sys.executable, "-m", "celery", "--quiet", "--app", "tasks.celery_app"]


def graceful_s(settings: Settings) -> float:
    """How long the API takes to end at most: as long as its requests may wait, and a little."""
    return settings.default_wait_s + DRAIN_S


def api(settings: Settings) -> list[str]:
    """Return what serves HTTP."""
    addresses = [(settings.host, settings.api_port)]
    if settings.metrics_port:
        addresses.append((settings.metrics_host, settings.metrics_port))
    return [
        *(sys.executable, "-m", "gunicorn", "api:create_app()", "--config=python:api.gunicorn"),
        *(f"--bind={bracketed(host)}:{port}" for host, port in addresses),
        "--worker-class=api.worker.Worker",
        f"--workers={settings.api_processes}",
        f"--threads={settings.api_threads}",
        f"--graceful-timeout={graceful_s(settings):.0f}",
        "--keep-alive=30",
        "--no-control-socket",
    ]


def worker(_: Settings) -> list[str]:
    """Return what classifies. Threads, their number and events are the Celery app's.

    Mingle and gossip are talk between workers that nobody listens to, and a second's wait.
    """
    return [
        *(*CELERY, "worker", "--hostname=worker@%h", "--loglevel=WARNING"),
        *("--without-mingle", "--without-gossip"),
    ]


def sweep(_: Settings) -> list[str]:
    """Return what takes up work that was left lying."""
    return [sys.executable, "-m", "tasks.sweep"]


def flower(settings: Settings) -> list[str]:
    """Return the monitor. Its own variables hold as well; its password only comes by one."""
    return [
        *(*CELERY, "flower"),
        f"--address={settings.flower_host}",
        f"--port={settings.flower_port}",
        f"--max_tasks={FLOWER_MAX_TASKS}",
        f"--purge_offline_workers={FLOWER_PURGE_S}",
        "--persistent=False",
        "--logging=error",
    ]


def flower_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that the monitor gets besides: arguments are for all to see.

    They are its own, FLOWER_…, and its password as our setting too, which keeps it out of the log.
    """
    given = {name: value for name, value in os.environ.items() if name.startswith("FLOWER_")}
    if password := settings.flower_basic_auth:
        given |= {"FLOWER_BASIC_AUTH": password, "SKYLANE_FLOWER_BASIC_AUTH": password}
    return given


PROGRAMS: dict[str, Callable[[Settings], list[str]]] = {
    program.__name__: program for program in (api, worker, sweep, flower)
}
