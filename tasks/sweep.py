"""Take up again what was left lying: `python -m tasks.sweep`, a process of its own.

The broker is a hint and PostgreSQL is the truth: a message that was lost, or a worker
that was killed at any instruction, leaves a row that this finds.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable

import logs
from settings import Settings, settings
from store.database import Database
from store.errors import StoreError
from store.images import open_images
from store.predictions import SWEEP_ROWS, Predictions
from store.records import Stale
from store.references import Reference
from store.retention import Retention
from store.statistics import Statistics
from store.workers import Workers
from tasks import measures
from tasks.retention import prune_or_log

ALIVE = "alive-sweep"
log = logging.getLogger(__name__)


def sweep(
    predictions: Predictions,
    enqueue: Callable[[Iterable[Reference], bool], None],
    *,
    stale_after_s: float,
    max_attempts: int,
    crowded: bool = False,
    given_up: Callable[[int], None] = lambda n: None,
) -> Stale:
    """Enqueue stale rows again and give up hopeless ones; return which, and how many.

    ``enqueue(references, alone)`` publishes them. What was begun before goes alone: if one
    of those kills its worker, then not its neighbours a second time. ``given_up(n)`` is told
    how many are failed for good. ``crowded`` is whether the messages may all be waiting still.

    Raises:
        StoreError: the database failed.
        kombu.exceptions.OperationalError: the broker failed; the next sweep finds the rows.
    """
    stale = predictions.sweep(stale_after_s, max_attempts, crowded=crowded)
    given_up(stale.given_up)  # before what may fail: these rows are not found again
    try:
        enqueue(stale.lost, False)
        enqueue(stale.suspects, True)
    except StoreError:
        raise
    except Exception:
        predictions.unsent([*stale.lost, *stale.suspects])  # some perhaps were: no harm in that
        raise
    if stale.touched:
        log.warning(
            "enqueued again: %d lost, %d begun and left; given up: %d",
            len(stale.lost),
            len(stale.suspects),
            stale.given_up,
        )
    return stale


def is_crowded(messages: int, batch_size: int, unfinished: int) -> bool:
    """Return whether so many messages may be those of all that is unfinished.

    A message is of ``batch_size`` images at most. So with fewer messages some are lost or in a
    worker's hands; with as many, perhaps none is.
    """
    return messages * batch_size >= unfinished


def compact(database: Database) -> None:
    """Add up what was counted since the last time; a database that fails it is logged.

    To be called after a sweep: images wait for that, and for this nobody does.
    """
    try:
        Statistics(database).compact()
    except StoreError as error:  # the next round tries again
        log.error("counts could not be added up: %s", error)


def sweep_all(
    database: Database,
    chosen: Settings,
    enqueue: Callable[[Iterable[Reference], bool], None],
    queue_depth: Callable[[], int],
    *,
    given_up: Callable[[int], None] = lambda n: None,
    stop: threading.Event | None = None,
) -> None:
    """Sweep until nothing is stale, or ``stop`` is set. ``queue_depth()`` is in messages.

    Raises:
        StoreError: the database failed.
        kombu.exceptions.OperationalError, redis.exceptions.RedisError: the broker failed.
    """
    # First, because it fails where the broker is away: the rows stay as stale as they are, and
    # are sent as soon as it is back.
    messages = queue_depth()
    unfinished = Statistics(database).unfinished()
    crowded = is_crowded(messages, chosen.batch_size, unfinished)
    touched = SWEEP_ROWS
    while touched >= SWEEP_ROWS and not (stop and stop.is_set()):  # there may be more of them
        stale = sweep(
            Predictions(database),
            enqueue,
            stale_after_s=chosen.stale_after_s,
            max_attempts=chosen.max_attempts,
            crowded=crowded,
            given_up=given_up,
        )
        touched = stale.touched


def main() -> None:
    """Sweep every few seconds until told to stop."""
    from prometheus_client import Counter, start_http_server

    from tasks.celery_app import enqueue, queue_depth

    chosen = settings()
    logs.configure(chosen)
    database = Database(chosen.database_url, size=1)
    given_up = Counter(measures.GIVEN_UP, "Images that their workers died over, time and again.")
    if chosen.metrics_port:
        start_http_server(chosen.metrics_port, addr=chosen.metrics_host)
    images = open_images(chosen.image_store_url, chosen.s3_endpoint_url)
    retention = Retention(database)

    def publish(references: Iterable[Reference], alone: bool) -> None:
        enqueue(references, alone=alone)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(chosen.sweep_every_s):
        try:
            Workers(database).forget_old()
            sweep_all(database, chosen, publish, queue_depth, given_up=given_up.inc, stop=stop)
            (chosen.home / ALIVE).touch()  # for a container's health check
        except Exception as error:  # the next round tries again, and says so again
            log.error("sweep failed, next try in %s s: %s", chosen.sweep_every_s, error)
        compact(database)  # whether or not there was a broker: it needs none
        prune_or_log(retention, images, chosen.retention_days)


if __name__ == "__main__":
    main()
