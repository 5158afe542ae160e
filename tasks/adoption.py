"""Rows for objects that were stored past the API: by a presigned form, or copied there."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote, unquote
from uuid import NAMESPACE_URL, UUID, uuid5

from model.formats import MEDIA_TYPES
from store.errors import ImageNotFound, ImageRefused
from store.images import S3Images
from store.predictions import Predictions
from store.records import NewPrediction, Progress
from store.references import Reference

log = logging.getLogger(__name__)

UNKNOWN_TYPE = "application/octet-stream"
# Metadata of an object, which S3 carries as HTTP headers: in ASCII, so they are quoted.
FILENAME, TRUE_LABEL = "filename", "true-label"
# A key that the API chose, below the store's prefix; its caller knows the request's id already.
OURS = re.compile(r"\d{4}/\d{2}/\d{2}/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
MAX_NOTE_CHARACTERS = 120  # S3 takes 2 kB of metadata, and quoting makes twelve of a letter
MAX_SIZE_BYTES = 2**31 - 1  # that a row can say; such an object is no image anyway


def key_of(request_id: UUID) -> str:
    """Return the key that an upload is stored under, below the store's prefix."""
    # A folder a day: none grows for ever, and old ones are easy to find.
    return f"{datetime.now(UTC):%Y/%m/%d}/{request_id}"


def notes_of(filename: str | None, true_label: str | None) -> dict[str, str]:
    """Return what an object's metadata have to say of it for ``adopt`` to know."""
    known = {FILENAME: filename, TRUE_LABEL: true_label}
    return {name: quote(value[-MAX_NOTE_CHARACTERS:]) for name, value in known.items() if value}


def adopt(
    references: Sequence[Reference],
    *,
    predictions: Predictions,
    images: S3Images,
    labels: Sequence[str],
    lane: str,
) -> dict[Reference, Progress]:
    """Insert a row, ``pending``, for each object that has none; return how far each of them is.

    The API's own row may still be on its way; the two find each other by key and version.
    What is gone by now gets no row, and is finished: the API took its upload back, and told its
    caller so; or it was deleted, and an event that comes late must not bring its row back. What
    was overwritten where no versions are kept gets its row, which will say that it is missing.
    Left out is what S3 refuses: without its metadata a row would lack its label for ever.

    Raises:
        StoreError: a store failed.
    """
    progress = predictions.progress(references)
    rows = []
    for one in references:
        if one in progress:
            continue
        try:
            rows.append(_row(one, images, labels, lane))
        except ImageNotFound:
            log.warning("%s was gone before it had a row, and gets none", one.key)
            progress[one] = Progress(finished=True, attempts=0)
        except ImageRefused as error:
            log.error("an object gets no row: %s", error)
    if not rows:
        return progress
    adopted = predictions.adopt(rows)
    # An object that was stored once more under the API's key: its request id is taken.
    again = [
        replace(row, request_id=_of_version(images.bucket, row.reference))
        for row in rows
        if row.reference not in adopted
    ]
    if again:
        predictions.adopt(again)
    return progress | predictions.progress([row.reference for row in rows])


def _row(reference: Reference, images: S3Images, labels: Sequence[str], lane: str) -> NewPrediction:
    ours = OURS.fullmatch(images.below_prefix(reference.key) or "")
    described = images.describe(reference)
    name, label = (_note(described.notes, note) for note in (FILENAME, TRUE_LABEL))
    return NewPrediction(
        request_id=UUID(ours[1]) if ours else _of_version(images.bucket, reference),
        lane=lane,
        image_name=name or printable(reference.key.rpartition("/")[2]) or "unnamed",
        # A browser will be told this type: only those that we know, whatever the object says.
        content_type=described.content_type
        if described.content_type in MEDIA_TYPES.values()
        else UNKNOWN_TYPE,
        size_bytes=min(described.size_bytes, MAX_SIZE_BYTES),
        sha256=None,
        reference=reference,
        true_label=label if label in labels else None,
    )


def printable(text: str) -> str:
    """Return ``text`` so that it can be shown: PostgreSQL takes no NUL, terminals no controls."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _note(notes: Mapping[str, str], name: str) -> str:
    return printable(unquote(notes.get(name, "")))


def _of_version(bucket: str | None, reference: Reference) -> UUID:
    """Return a request id: the same for each delivery of an event, another for each version."""
    name = f"s3://{bucket}/{reference.key}?versionId={reference.version}"
    return uuid5(NAMESPACE_URL, name)
