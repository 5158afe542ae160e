"""Objects that were stored, to `tasks.classify`: the serverless lane's worker.

Events come from S3, from EventBridge, or from either through SQS. An event may come late,
twice, or before the API has inserted the object's row; the row decides, as it does on-prem.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

import tracing
from lambda_adapters import metrics
from lambda_adapters.environment import Environment, environment
from lambda_adapters.events import (
    Event,
    EventError,
    StoredObject,
    is_batch,
    messages_of,
    objects_of,
    objects_of_message,
)
from store.references import Reference
from tasks import traces
from tasks.adoption import adopt
from tasks.classify import classify

log = logging.getLogger(__name__)

Unfinished = dict[StoredObject, str]  # and why


class NotFinished(Exception):
    """Work that has to be delivered again."""


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    environment()  # at INIT, so that no image waits for the model


def handler(event: Event, context: Any) -> dict[str, Any]:
    """Classify every object that ``event`` tells of.

    Of a batch of SQS it returns the messages to be delivered again: those alone whose objects
    are not finished. For any other event that is an error, and Lambda delivers it again.

    Raises:
        EventError: the event, not being of SQS, is none of an object's; or a message of SQS has
            no id.
        NotFinished: likewise, and not all of its objects could be finished.
    """
    if is_batch(event):
        return _batch(event, context)
    stored = objects_of(event)
    if unfinished := _work(stored, environment()):
        raise NotFinished(_told(unfinished))
    return {"objects": len(stored)}


def _batch(event: Event, context: Any) -> dict[str, Any]:
    # All messages' objects are classified together; then each message is asked about its own.
    found = {message_id: _parsed(body) for message_id, body in messages_of(event).items()}
    readable = [one for one in found.values() if not isinstance(one, EventError)]
    unfinished = _work([one for stored in readable for one in stored], environment())

    def judge(record: SQSRecord) -> None:
        stored = found[record.message_id]
        if isinstance(stored, EventError):
            log.error("message %s: %s", record.message_id, stored)
            raise stored
        if own := {one: unfinished[one] for one in stored if one in unfinished}:
            log.warning("message %s comes again: %s", record.message_id, _told(own))
            raise NotFinished(_told(own))

    answer = process_partial_response(
        event=dict(event),
        record_handler=judge,
        # When all fail it raises, and so counts as an error of the function, which has an alarm.
        processor=BatchProcessor(EventType.SQS),
        context=context,
    )
    return dict(answer)


def _parsed(body: Any) -> list[StoredObject] | EventError:
    try:
        return objects_of_message(body)
    except EventError as error:
        return error


def _work(stored: Iterable[StoredObject], at_hand: Environment) -> Unfinished:
    """Bring objects to an end and return those that are not there yet."""
    unfinished, ours = {}, {}
    for one in stored:
        if one.bucket != at_hand.images.bucket:
            unfinished[one] = f"it is in {one.bucket}, not in {at_hand.images.bucket}"
        elif "\0" in one.reference.key + one.reference.version:
            unfinished[one] = "no row can have such a key"
        else:
            ours[one.reference] = one
    if not ours:
        return unfinished
    try:
        progress = adopt(
            list(ours),
            predictions=at_hand.predictions,
            images=at_hand.images,
            labels=at_hand.bench.predictor.labels,
            lane="serverless",
        )
    except Exception as error:  # of the database: nothing is known, so all come again
        log.exception("%d objects are to be delivered again", len(ours))
        return unfinished | {one: repr(error) for one in ours.values()}
    left = {one: "it has no row" for one in ours if one not in progress}
    todo = {one: now.attempts for one, now in progress.items() if not now.finished}
    for group in _groups(todo):
        if todo[group[0]] >= at_hand.max_attempts:
            left[group[0]] = "it was begun too often; the sweep gives it up"
        else:
            left |= _classify(group, at_hand)
    return unfinished | {ours[reference]: why for reference, why in left.items()}


def _groups(attempts: dict[Reference, int]) -> list[list[Reference]]:
    """Return what to classify together, and in which order.

    What was begun and not finished may have killed its environment. It goes alone, after the
    others are safe, and what was begun most often goes last.
    """
    fresh = [one for one, begun in attempts.items() if not begun]
    begun = sorted((one for one in attempts if attempts[one]), key=lambda one: attempts[one])
    return [group for group in (fresh, *([one] for one in begun)) if group]


def _classify(group: list[Reference], at_hand: Environment) -> dict[Reference, str]:
    """Classify a group and return those of it that are not finished."""
    try:
        outcomes = classify(group, at_hand.bench)
        metrics.tell(outcomes)
        traces.tell(outcomes)
        tracing.flush()
        none = [one for one, outcome in zip(group, outcomes, strict=True) if outcome is None]
        after = at_hand.predictions.progress(none) if none else {}
    except Exception as error:  # this group's: the others have their turn all the same
        log.exception("%d objects could not be classified", len(group))
        return dict.fromkeys(group, repr(error))
    return {
        one: "another environment has it in work, or S3 does not give it"
        for one in none
        if one not in after or not after[one].finished
    }


def _told(unfinished: Unfinished) -> str:
    return "; ".join(f"{one.reference.key}: {why}" for one, why in unfinished.items())
