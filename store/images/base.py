"""What any store of images can do, and what each does alike."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from store.errors import ImageRefused, ImageStoreError, Unreadable
from store.references import Reference

log = logging.getLogger(__name__)

NewImage = tuple[str, bytes, str]  # key, data, content type
NoBytes = Unreadable | ImageRefused


class ImageStore(Protocol):
    """What any store of bytes can do. All of it raises ``ImageStoreError`` for trouble."""

    bucket: str | None  # for the clients that address images on S3 themselves

    def connect(self) -> None:
        """Make what the first image would have to wait for. Asks nobody."""

    def put(self, key: str, data: bytes, content_type: str) -> Reference:
        """Store an image durably under a new key."""

    def put_many(self, images: Sequence[NewImage]) -> list[Reference]:
        """Store images durably, side by side; all of them, or none and ``ImageStoreError``."""

    def get(self, reference: Reference) -> bytes:
        """Return an image's bytes; raises ``Unreadable`` where there are none."""

    def get_many(self, references: Sequence[Reference]) -> list[bytes | NoBytes]:
        """Return each image's bytes, or the error in its place."""

    def delete(self, reference: Reference) -> None:
        """Remove an image; nothing happens where there is none."""

    def delete_many(self, references: Sequence[Reference]) -> None:
        """Remove what can be removed, and log what cannot."""


def get_or_error(store: ImageStore, reference: Reference) -> bytes | NoBytes:
    try:
        return store.get(reference)
    except (Unreadable, ImageRefused) as error:
        return error


def put_all(
    store: ImageStore, threads: ThreadPoolExecutor, images: Sequence[NewImage]
) -> list[Reference]:
    """Put images side by side; if one cannot be, take back those that were."""
    puts = [threads.submit(store.put, *image) for image in images]
    try:
        return [put.result() for put in puts]
    except ImageStoreError:
        store.delete_many([put.result() for put in puts if put.exception() is None])
        raise


def delete_all(store: ImageStore, references: Sequence[Reference]) -> None:
    """Delete images that nobody was told of: one that stays is in nobody's way."""
    for reference in references:
        try:
            store.delete(reference)
        except ImageStoreError as error:
            log.warning("%s stays where it is: %s", reference.key, error)
