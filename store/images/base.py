"""What any store of images can do, and what each does alike."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Protocol

from store.errors import ImageStoreError, Unreadable
from store.references import Reference

log = logging.getLogger(__name__)

# Callers of ``put_many`` that do not wait for each other: the API stores large images beside small.
PUT_AT_ONCE = 2

NewImage = tuple[str, bytes, str]  # key, data, content type
NoBytes = Unreadable | ImageStoreError


class ImageStore(Protocol):
    """What any store of bytes can do. It raises ``ImageStoreError`` for trouble."""

    bucket: str | None  # for the clients that address images on S3 themselves
    at_once: int  # images that ``get_many`` asks for side by side

    def connect(self) -> None:
        """Make what the first image would have to wait for. Asks nobody."""

    def put(self, key: str, data: bytes, content_type: str) -> Reference:
        """Store an image durably under a new key."""

    def put_many(self, images: Sequence[NewImage]) -> list[Reference]:
        """Store images durably, side by side; all of them, or none and ``ImageStoreError``."""

    def get(self, reference: Reference) -> bytes:
        """Return an image's bytes; raises ``Unreadable`` where there are none."""

    def open(self, reference: Reference) -> tuple[BinaryIO, int]:
        """Return an image as a file, and its size in bytes; raises as ``get`` does.

        For who sends it on piece by piece. The caller closes it.
        """

    def get_many(self, references: Sequence[Reference]) -> list[bytes | NoBytes]:
        """Return each image's bytes, or the error in its place; trouble with one is no other's."""

    def delete(self, reference: Reference) -> None:
        """Remove an image; nothing happens where it was removed before."""

    def delete_many(self, references: Sequence[Reference]) -> list[Reference]:
        """Remove what can be removed, and log what cannot; return what is not there any more."""


def get_or_error(store: ImageStore, reference: Reference) -> bytes | NoBytes:
    try:
        return store.get(reference)
    except (Unreadable, ImageStoreError) as error:
        return error


def put_all(
    store: ImageStore, threads: ThreadPoolExecutor, images: Sequence[NewImage], side_by_side: int
) -> list[Reference]:
    """Put images, so many side by side; if one cannot be, take back those that were.

    Each thread has its share from the start: to hand over images one by one costs more time
    of the processor than to write them to files.
    """
    shares = [images[first::side_by_side] for first in range(min(side_by_side, len(images)))]
    puts = [threads.submit(_put_share, store, share) for share in shares]
    done = [put.result() for put in puts]
    if error := next((error for _, error in done if error), None):
        store.delete_many([reference for references, _ in done for reference in references])
        raise error
    references: list[Reference | None] = [None] * len(images)
    for first, (share, _) in enumerate(done):
        references[first::side_by_side] = share
    return [reference for reference in references if reference]


def _put_share(
    store: ImageStore, images: Sequence[NewImage]
) -> tuple[list[Reference], ImageStoreError | None]:
    """Put images one after the other; return those that were, and what ended it."""
    references = []
    for image in images:
        try:
            references.append(store.put(*image))
        except ImageStoreError as error:
            return references, error
    return references, None
