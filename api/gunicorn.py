"""Gunicorn's settings, and its hooks: where its processes keep their counts for each other.

https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from gunicorn.glogging import Logger

import logs
from settings import settings


class NoAccessLog(Logger):
    """Gunicorn's own log, which else puts a line together for each request and drops it."""

    access_log_enabled = False


logger_class = NoAccessLog
logconfig_dict = {
    **logs.configuration(settings()),
    # Its own lines as all others; requests are api.access' to tell.
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}

worker_connections = 2000  # of a process, open at once: idle ones, and those whose request arrives
limit_request_line = 8190  # bytes: a hundred ids take 5,000

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def on_starting(_: Any) -> None:
    """Make a folder for this run alone: the counts of the last one are not this one's."""
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="skylane-metrics-")


def post_worker_init(worker: Any) -> None:
    """Let streams of events see that their process is to end, or they would hold it up."""
    from api import events

    events.stopping = lambda: not worker.alive


def child_exit(_: Any, worker: Any) -> None:
    """Forget what a process that ended said of its present; what it counted stays."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_: Any) -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ[FOLDER], ignore_errors=True)
