"""An app whose worker tells of its tasks as ours does, and has no model and no database."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, signals

import tasks.consumer
from tasks import transport

QUEUE = "telling"
EVENTS, CONSUMER = "tasks.events:LastingEvents", "tasks.consumer:QuietConsumer"

transport.use()
app = Celery("telling", broker=os.environ.get("BROKER_URL"), events=EVENTS, set_as_current=False)
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_concurrency=2,
    worker_consumer=CONSUMER,
    worker_pool="threads",
    worker_send_task_events=True,
)
if every_s := os.environ.get("FLUSH_EVERY_S"):
    tasks.consumer.FLUSH_EVENTS_EVERY_S = float(every_s)

consumers: list[Any] = []  # the worker's only one


@signals.worker_ready.connect
def _keep(sender: Any, **_: Any) -> None:
    consumers.append(sender)


@app.task
def sleep(seconds: float) -> None:
    """Take a while."""
    time.sleep(seconds)


@app.task
def count_timers(path: str) -> None:
    """Write how many timers of events there are."""
    entries = [one.entry for one in consumers[0].timer.queue]
    timers = [one for one in entries if one.fun.__name__ == "_flush_events" and not one.canceled]
    Path(path).write_text(str(len(timers)))
