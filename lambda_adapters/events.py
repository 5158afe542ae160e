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

MAX_KEY_BYTES = 1024  # of S3, whose buckets' names, versions and eTags are shorter


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


def messages_of(batch: Event) -> dict[str, Any]:
    """Return the bodies of a batch's messages by their ids.

    Raises:
        EventError: a message has no id, so that nothing can be said of it alone.
    """
    messages = {}
    for record in _records(batch):
        message_id = record.get("messageId")
        if not isinstance(message_id, str):
            raise EventError(f"a message without an id: {str(record)[:200]}")
        messages[message_id] = record.get("body")
    return messages


def objects_of_message(body: Any) -> list[StoredObject]:
    """Return the objects that a message's body tells of; see ``objects_of``.

    Raises:
        EventError: the body is no JSON, or no such event.
    """
    try:
        event = json.loads(body)
    except (ValueError, TypeError, RecursionError) as error:
        raise EventError(f"the message is not JSON: {str(body)[:80]!r}") from error
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
    return _object(told["bucket"]["name"], unquote_plus(stored["key"]), version)


def _of_eventbridge(event: Event) -> list[StoredObject]:
    if event["detail-type"] != "Object Created":
        return []
    # EventBridge writes keys as they are.
    detail = event["detail"]
    stored = detail["object"]
    version = version_of(stored.get("version-id"), stored["etag"])
    return [_object(detail["bucket"]["name"], stored["key"], version)]


def _object(bucket: str, key: str, version: str) -> StoredObject:
    """Check what is told; one that no database takes would have its neighbours fail too."""
    for text in (bucket, key, version):
        if not isinstance(text, str):
            raise EventError(f"not an event of an object: {text!r} is no text")
        try:
            size_bytes = len(text.encode())
        except UnicodeEncodeError as error:  # half a letter, as JSON can have it
            raise EventError(f"not an event of an object: {text!r} is no text") from error
        if not 1 <= size_bytes <= MAX_KEY_BYTES:
            raise EventError(f"not an event of an object: {size_bytes} bytes in {text[:80]!r}")
    return StoredObject(bucket, Reference(key, version))
