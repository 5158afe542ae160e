"""What AWS says when an object was stored: three kinds of event, and each also through SQS.

Sources: "Event message structure" and "EventBridge event message structure" of the Amazon S3
user guide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from store.images import version_of
from store.references import Reference

Event = Mapping[str, Any]


class EventError(ValueError):
    """An event that is none of an object's: the message says what it has instead."""


@dataclass(frozen=True)
class StoredObject:
    """An object that an event tells of."""

    bucket: str
    reference: Reference


def is_batch(event: Event) -> bool:
    """Return whether ``event`` is of SQS: messages that succeed or fail one by one."""
    records = event.get("Records")
    return isinstance(records, list) and any(
        isinstance(one, dict) and one.get("eventSource") == "aws:sqs" for one in records
    )


def objects_of_message(body: str) -> list[StoredObject]:
    """Return the objects that a message's body tells of; see ``objects_of``.

    Raises:
        EventError: the body is no JSON, or no such event.
    """
    try:
        event = json.loads(body)
    except ValueError as error:
        raise EventError(f"the message is not JSON: {body[:80]!r}") from error
    if not isinstance(event, dict):
        raise EventError(f"the message is not an event: {body[:80]!r}")
    return objects_of(event)


def objects_of(event: Event) -> list[StoredObject]:
    """Return the objects that an event of S3 or EventBridge says were stored.

    Empty for what S3 sends to see whether it may (``s3:TestEvent``), and for objects that
    were removed.

    Raises:
        EventError: it is neither.
    """
    if event.get("Event") == "s3:TestEvent":
        return []
    try:
        if event.get("source") == "aws.s3":
            return _of_eventbridge(event)
        return [
            _of_s3(record["s3"])
            for record in _records(event)
            if record["eventName"].startswith("ObjectCreated:")
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise EventError(f"not an event of an object: {error!r} in {str(event)[:200]}") from error


def _records(event: Event) -> list[dict[str, Any]]:
    records = event.get("Records")
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise EventError(f"not an event of S3, SQS or EventBridge: {str(event)[:200]}")
    return records


def _of_s3(told: Mapping[str, Any]) -> StoredObject:
    # S3 writes keys as forms write them: a space is a plus.
    stored = told["object"]
    version = version_of(stored.get("versionId"), stored["eTag"])
    reference = Reference(unquote_plus(stored["key"]), version)
    return StoredObject(told["bucket"]["name"], reference)


def _of_eventbridge(event: Event) -> list[StoredObject]:
    if event["detail-type"] != "Object Created":
        return []
    # EventBridge writes keys as they are.
    detail = event["detail"]
    stored = detail["object"]
    reference = Reference(stored["key"], version_of(stored.get("version-id"), stored["etag"]))
    return [StoredObject(detail["bucket"]["name"], reference)]
