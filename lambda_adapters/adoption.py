"""Rows for objects that came past the API: uploaded by a presigned form, or copied there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from uuid import NAMESPACE_URL, UUID, uuid5

from lambda_adapters.environment import Environment
from lambda_adapters.events import StoredObject
from model.formats import MEDIA_TYPES
from store.errors import ImageNotFound
from store.images import Described
from store.predictions import NewPrediction, Progress
from store.references import Reference

LANE = "serverless"
UNKNOWN_TYPE = "application/octet-stream"
# The end of a key that the API chose; it has told its caller the request's id by then.
OURS = re.compile(r"(?:^|/)\d{4}/\d{2}/\d{2}/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")


def adopt(stored: Sequence[StoredObject], at_hand: Environment) -> dict[Reference, Progress]:
    """Insert a row, ``pending``, for each object that has none; return how far each of them is.

    The API's own row may still be on its way; the two find each other by key and version.

    Raises:
        StoreError: a store failed.
    """
    progress = at_hand.predictions.progress([one.reference for one in stored])
    rows = [_row(one, at_hand) for one in stored if one.reference not in progress]
    if not rows:
        return progress
    adopted = at_hand.predictions.adopt(rows)
    # An object that was stored once more under the API's key: its request id is taken.
    again = [
        replace(row, request_id=_of_version(at_hand.images.bucket, row.reference))
        for row in rows
        if row.reference not in adopted
    ]
    if again:
        at_hand.predictions.adopt(again)
    return progress | at_hand.predictions.progress([row.reference for row in rows])


def _row(one: StoredObject, at_hand: Environment) -> NewPrediction:
    try:
        described = at_hand.images.describe(one.reference)
    except ImageNotFound:  # gone already; its row will say so
        described = Described(UNKNOWN_TYPE, {})
    label = described.notes.get("true-label")
    return NewPrediction(
        request_id=UUID(ours[1])
        if (ours := OURS.search(one.reference.key))
        else _of_version(one.bucket, one.reference),
        lane=LANE,
        image_name=described.notes.get("filename") or one.reference.key.rpartition("/")[2],
        # A browser will be told this type: only those that we know, whatever the object says.
        content_type=described.content_type
        if described.content_type in MEDIA_TYPES.values()
        else UNKNOWN_TYPE,
        size_bytes=one.size_bytes,
        sha256=None,
        reference=one.reference,
        true_label=label if label in at_hand.bench.predictor.labels else None,
    )


def _of_version(bucket: str | None, reference: Reference) -> UUID:
    """Return a request id: the same for each delivery of an event, another for each version."""
    name = f"s3://{bucket}/{reference.key}?versionId={reference.version}"
    return uuid5(NAMESPACE_URL, name)
