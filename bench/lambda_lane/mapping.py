"""The event source mapping: those who read batches off the queue and give them to the function.

At first five, as AWS documents it; 300 more a minute while messages wait and all are at work; and
as many less when none wait, of which AWS gives no figure.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from bench.lambda_lane.functions import Done, Throttled
from bench.lambda_lane.limits import LaneLimits
from bench.lambda_lane.pool import Pool
from bench.lambda_lane.queue import Message, Queue
from bench.lambda_lane.trouble import Trouble

LOOK_EVERY_S = 0.1
POLL_S = 1.0  # SQS knows 20; a shorter one lets those who are too many go sooner
# Between tries of a batch that was throttled. AWS backs off "gradually", without figures.
BACK_OFF_S, LONGEST_BACK_OFF_S = 0.1, 5.0


class EventSourceMapping:
    """Reads a queue for a function, on threads of its own. ``with`` it."""

    def __init__(
        self, queue: Queue, pool: Pool, limits: LaneLimits, trouble: Trouble | None = None
    ) -> None:
        self._queue = queue
        self._pool = pool
        self._limits = limits
        self._trouble = trouble or Trouble()
        self._least = min(limits.pollers_at_first, limits.infer_max_concurrency)
        self._allowed = float(self._least)
        self._lock = threading.Lock()
        self._pollers = 0
        self._busy = 0
        self._closed = threading.Event()

    def __enter__(self) -> EventSourceMapping:
        threading.Thread(target=self._scale, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._queue.close()

    def _scale(self) -> None:
        looked_s = time.monotonic()
        while True:
            try:
                for _ in range(int(self._allowed) - self._pollers):
                    self._start_poller()
            except Exception as error:  # no more threads, for one; perhaps the next time
                self._trouble.take("event source mapping", error)
            if self._closed.wait(LOOK_EVERY_S):
                return
            now_s = time.monotonic()
            more = (now_s - looked_s) * self._limits.pollers_more_per_minute / 60
            looked_s = now_s
            if not self._queue.waiting():
                self._allowed = max(self._least, self._allowed - more)
            elif self._busy >= self._pollers:
                most = self._limits.infer_max_concurrency
                self._allowed = min(most, self._allowed + more)

    def _start_poller(self) -> None:
        with self._lock:
            self._pollers += 1
        try:
            threading.Thread(target=self._poll, daemon=True).start()
        except BaseException:
            with self._lock:
                self._pollers -= 1
            raise

    def _poll(self) -> None:
        while not self._closed.is_set():
            with self._lock:
                if self._pollers > max(self._least, int(self._allowed)):
                    self._pollers -= 1
                    return
            try:
                self._poll_once()
            except Exception as error:  # this poller's place is of use; the batch comes again
                self._trouble.take("event source mapping", error)
                self._closed.wait(BACK_OFF_S)

    def _poll_once(self) -> None:
        limits = self._limits
        batch = self._queue.receive(limits.batch_size, POLL_S, limits.batch_window_s)
        if not batch:
            return
        with self._lock:
            self._busy += 1
        try:
            self._deliver(batch)
        finally:
            with self._lock:
                self._busy -= 1

    def _deliver(self, batch: list[Message]) -> None:
        """Give a batch to the function, and delete what it says is done.

        What is not deleted is there again when its visibility timeout is over. Until then a batch
        that is throttled is tried again:
        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        event = {"Records": [message.record() for message in batch]}
        hidden_until_s = min(message.hidden_until_s for message in batch)
        pause_s = BACK_OFF_S
        while True:
            try:
                done = self._pool.invoke(event, records=len(batch))
                break
            except Throttled:
                if time.monotonic() + pause_s > hidden_until_s or self._closed.wait(pause_s):
                    return
                pause_s = min(2 * pause_s, LONGEST_BACK_OFF_S)
        failed = failures(done, [message.id for message in batch])
        self._queue.delete(message for message in batch if message.id not in failed)


def failures(done: Done, ids: list[str]) -> set[str]:
    """Return the ids of the messages that are to be delivered again.

    All of them, if the function failed, or answered what is no report of failures: "Success and
    failure conditions" of
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if done.outcome != "ok":
        return set(ids)
    reported: Any = done.payload
    if reported is None:
        return set()
    try:
        failed = {one["itemIdentifier"] for one in reported.get("batchItemFailures") or []}
    except (AttributeError, TypeError, KeyError):
        return set(ids)
    return failed if failed <= set(ids) else set(ids)
