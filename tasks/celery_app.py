"""Celery: its configuration and the one place where a piece of work becomes a task."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from celery import Celery, Task, signals

import logs
from model.errors import ModelError
from settings import settings
from store.errors import StoreError
from store.references import Reference
from tasks import transport

log = logging.getLogger(__name__)
QUEUE = "skylane"
# Unacknowledged messages come back after this long. It must exceed the longest task, or
# slow work would be delivered while it is still in work.
VISIBILITY_TIMEOUT_S = 600
BROKER_TIMEOUT_S = 5  # above the second that a worker waits for a message at a time
RETRIES = 5
RETRY_BACKOFF_S = 1
RETRY_BACKOFF_MAX_S = 20

transport.use()
app = Celery("skylane", broker=settings().broker_url, events="tasks.events:LastingEvents")
app.conf.update(
    # Messages are data. Pickle would let whoever reaches the broker run code here.
    task_serializer="json",
    accept_content=["json"],
    # PostgreSQL holds the results; a second copy in Redis could only disagree with it.
    task_ignore_result=True,
    result_backend=None,
    task_default_queue=QUEUE,
    # A message goes only when its work is done, so a worker that dies leaves it behind.
    task_acks_late=True,
    # A task that failed for good is acknowledged: its row is unfinished, so the sweep has
    # the last word, and the queue does not fill with what cannot succeed.
    task_acks_on_failure_or_timeout=True,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        # A dead broker is noticed by its silence, not only at the next write to it.
        "socket_keepalive": True,
        "health_check_interval": 10,
        "socket_connect_timeout": BROKER_TIMEOUT_S,
        "socket_timeout": BROKER_TIMEOUT_S,
    },
    # One message waits for each thread that works, so a worker never hoards a backlog.
    worker_prefetch_multiplier=1,
    # Threads, because several tasks make one micro-batch (see batching.py). Threads cannot
    # be interrupted, so Celery's time limits do not reach them: the limit is the batcher's
    # (SKYLANE_TASK_TIME_LIMIT_S), which ends the whole process, and the sweep does the rest.
    worker_pool="threads",
    worker_concurrency=settings().worker_threads,
    # A worker that loses the broker keeps its work and connects again for as long as needed.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # So does one whose broker answers and refuses, because it is out of memory or of disk.
    broker_channel_error_retry=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # The API answers even when the broker is down: the row is in PostgreSQL by then, and
    # the sweep publishes it later. So it does not try for long.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1, "interval_max": 0.2},
    # Flower lives on events: which worker runs what, at which rate.
    worker_send_task_events=True,
    worker_consumer="tasks.consumer:QuietConsumer",
)


@app.task(
    name="tasks.classify",
    bind=True,
    autoretry_for=(StoreError,),
    max_retries=RETRIES,
    retry_backoff=RETRY_BACKOFF_S,
    retry_backoff_max=RETRY_BACKOFF_MAX_S,
    retry_jitter=True,
)
def classify(task: Task, references: list[list[str]], alone: bool = False) -> str:
    """Classify stored images, ``[[key, version], …]``, in a micro-batch with other tasks'.

    ``alone`` keeps an image that a worker died over away from others.
    """
    from tasks.worker import worker  # the API imports this module too, and needs no model

    began = time.perf_counter()
    outcome = worker().classify([Reference(*reference) for reference in references], alone)
    log.info(
        "%s",
        outcome,
        extra={
            "task_id": task.request.id,
            "took_ms": round((time.perf_counter() - began) * 1000, 3),
            "retries": task.request.retries,
            "request_ids": [key.rpartition("/")[2] for key, _ in references],
        },
    )
    return outcome


def enqueue(references: Iterable[Reference], *, alone: bool = False) -> None:
    """Publish work in messages of one batch each, or of one image each where ``alone``.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached.
    """
    waiting = [list(reference) for reference in references]
    size = 1 if alone else settings().batch_size
    for start in range(0, len(waiting), size):
        part = waiting[start : start + size]
        # What Flower shows of the arguments; working it out from them takes a millisecond.
        shown = part[0][0] if len(part) == 1 else f"{len(part)} images"
        classify.apply_async((part,), {"alone": alone}, argsrepr=shown, kwargsrepr=str(alone))


def queue_depth() -> int:
    """Return how many messages wait for a worker.

    Raises:
        kombu.exceptions.OperationalError: the broker cannot be reached.
        redis.exceptions.RedisError: it was reached, and did not answer, or refused.
        kombu.exceptions.ConnectionLimitExceeded: all connections were in use for seconds.
    """
    with app.pool.acquire(block=True, timeout=BROKER_TIMEOUT_S) as connection:
        connection.ensure_connection(max_retries=1, timeout=2)
        return int(connection.default_channel.client.llen(QUEUE))


@signals.setup_logging.connect
def _log(**_: Any) -> None:
    # With this connected Celery leaves logging alone.
    logs.configure(settings())


@signals.worker_init.connect
def _load(**_: Any) -> None:
    # The model is there before the first message is taken, so no image waits for it.
    from tasks.worker import worker

    try:
        worker()
    except ModelError as error:
        # Celery passes over what a handler raises; it would take messages, and fail them all.
        logs.configure(settings())
        log.critical("%s", error)
        raise SystemExit(1) from error


@signals.worker_ready.connect
def _arrive(**_: Any) -> None:
    from tasks.worker import worker

    worker().start_heartbeat()


@signals.worker_shutdown.connect
def _leave(**_: Any) -> None:
    from tasks.worker import worker

    worker().leave()
