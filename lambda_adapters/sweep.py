"""The sweep as a scheduled function: what was left lying is worked on here, and at once.

SQS delivers a message again whose environment died, but not for ever, and nothing of an
upload whose event was lost. On-prem the sweep sends messages; here it has the model itself,
and so needs no way to the queue.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any

import tracing
from lambda_adapters import metrics
from lambda_adapters.environment import Environment, environment
from settings import Settings, settings
from store.errors import ImageStoreError, StoreError
from store.predictions import SWEEP_ROWS
from store.references import Reference
from tasks import traces
from tasks.classify import classify
from tasks.retention import prune_or_log
from tasks.sweep import compact, sweep

log = logging.getLogger(__name__)
# So many batches of which no image could be read, one after the other, say that the image store is
# away. Each takes 20 s where it is silent, and Lambda ends the sweep after 300 s.
MOST_IN_VAIN = 3

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    environment()  # at INIT, like infer


def handler(event: Any, context: Any) -> dict[str, int]:
    """Sweep to the end; return how many rows were taken up or given up.

    Raises:
        StoreError: the database failed, or the image store did for whole batches; the next sweep
            finds the same rows.
    """
    at_hand = environment()
    try:
        return {"touched": swept(at_hand, settings())}
    finally:
        compact(at_hand.database)
        prune_or_log(at_hand.retention, at_hand.images, settings().retention_days)


def swept(at_hand: Environment, chosen: Settings) -> int:
    """Take up what was left lying, round after round, until there is nothing.

    Raises:
        StoreError: as ``handler``; of the image store when the others have had their turn.
    """
    unread: ImageStoreError | None = None
    in_vain = 0

    def work(references: Iterable[Reference], alone: bool) -> None:
        nonlocal unread, in_vain
        waiting = list(references)
        size = 1 if alone else chosen.batch_size
        for start in range(0, len(waiting), size):
            try:
                _classify(waiting[start : start + size], at_hand)
                in_vain = 0
            except ImageStoreError as error:
                unread, in_vain = error, in_vain + 1
                if in_vain == MOST_IN_VAIN:
                    raise

    total, touched = 0, SWEEP_ROWS
    while touched >= SWEEP_ROWS:  # there may be more of them
        stale = sweep(
            at_hand.predictions,
            work,
            stale_after_s=chosen.stale_after_s,
            max_attempts=chosen.max_attempts,
            given_up=metrics.tell_given_up,
        )
        touched = stale.touched
        total += touched
    if unread:
        raise unread
    return total


def _classify(references: list[Reference], at_hand: Environment) -> None:
    try:
        outcomes = classify(references, at_hand.bench)
        metrics.tell(outcomes)
        traces.tell(outcomes)
        tracing.flush()
    except StoreError:
        raise
    except Exception:
        # An image's doing, perhaps: its attempt was counted, and the next sweep tries it alone
        # or gives it up. The others have their turn all the same.
        log.exception("%d images could not be classified", len(references))
