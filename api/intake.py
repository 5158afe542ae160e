"""Accept images: store, insert, enqueue, in that order; then wait for those who want to."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from batching import MicroBatcher
from store.errors import StoreError
from store.images import ImageStore
from store.notifications import Finished
from store.predictions import Predictions
from store.records import NewPrediction
from store.references import Reference
from tasks.adoption import key_of

log = logging.getLogger(__name__)

COMMIT_TOGETHER = 256  # images of concurrent uploads that one statement inserts, at most


@dataclass(frozen=True)
class Upload:
    """One image as it came in, checked as far as that is cheap."""

    name: str
    data: bytes
    content_type: str
    true_label: str | None = None
    traceparent: str | None = None


class Intake:
    """The only way in. Uploads that arrive together are committed together.

    A commit waits for the disk, and so does each image; but ten of them that wait
    together wait once. Under load this is most of what an upload costs. ``enqueue`` is None
    in a lane where an image that is stored is an event already.
    """

    def __init__(
        self,
        images: ImageStore,
        predictions: Predictions,
        finished: Finished,
        enqueue: Callable[[Iterable[Reference]], None] | None,
        *,
        lane: str,
        max_waiting: int,
    ) -> None:
        self._images = images
        self._predictions = predictions
        self._finished = finished
        self._enqueue = enqueue
        self._lane = lane
        # Each wait holds one of the server's threads; some are kept for everyone else.
        self._places_to_wait = threading.BoundedSemaphore(max_waiting)
        # Their threads start with the first upload, because servers fork after making the app.
        self._batchers_lock = threading.Lock()
        self._batchers_made = False

    def accept(self, uploads: list[Upload], wait_s: float) -> list[dict[str, Any]]:
        """Accept images and return their rows, in order: finished if that was soon enough.

        It empties ``uploads``: who waits keeps no image in memory that is on disk.

        When this returns, the images and their rows are on disk: whatever dies, they will
        be classified. Beyond the places to wait in, it returns without waiting.

        Raises:
            StoreError: the images or rows could not be stored, and what was is taken back as
                far as the stores can be reached: they can be sent again.
        """
        # Rows are inserted in the order of their keys: the rows of a request get theirs in
        # the order in which its images were sent, so that they are listed in it.
        request_ids = sorted(uuid4() for _ in uploads)
        named = list(zip(request_ids, uploads, strict=True))
        uploads.clear()
        ids = [str(request_id) for request_id, _ in named]
        if wait_s <= 0 or not self._places_to_wait.acquire(blocking=False):
            return self._commit_with_others(named)
        try:
            with self._finished.watch(ids) as waiter:
                deadline = time.monotonic() + wait_s
                pending = self._commit_with_others(named)
                named.clear()
                finished = waiter.wait(max(0.0, deadline - time.monotonic()))
            # A row that was finished before it was inserted (its event came first) is whole.
            return [
                row if row["finished_at"] else finished.get(row["request_id"], row)
                for row in pending
            ]
        finally:
            self._places_to_wait.release()

    def _commit_with_others(self, uploads: list[tuple[UUID, Upload]]) -> list[dict[str, Any]]:
        with self._batchers_lock:
            if not self._batchers_made:
                self._insert = MicroBatcher(self._commit, size=COMMIT_TOGETHER)
                if self._enqueue:
                    publish = partial(self._enqueue_or_leave, self._enqueue)
                    self._publish = MicroBatcher(publish, size=COMMIT_TOGETHER)
                self._batchers_made = True
        return self._insert(uploads)

    def _commit(self, uploads: list[tuple[UUID, Upload]]) -> list[dict[str, Any]]:
        references = self._images.put_many(
            [
                (key_of(request_id), upload.data, upload.content_type)
                for request_id, upload in uploads
            ]
        )
        try:
            rows = self._predictions.insert(
                [
                    NewPrediction(
                        request_id=request_id,
                        lane=self._lane,
                        image_name=upload.name,
                        content_type=upload.content_type,
                        size_bytes=len(upload.data),
                        sha256=hashlib.sha256(upload.data).hexdigest(),
                        reference=reference,
                        true_label=upload.true_label,
                        traceparent=upload.traceparent,
                    )
                    for (request_id, upload), reference in zip(uploads, references, strict=True)
                ]
            )
        except StoreError:
            # In the cloud each stored image is an event, and would become a row all the same.
            self._images.delete_many(references)
            raise
        if self._enqueue:
            # Not waited for: a broker that hangs must not hold up who uploads.
            self._publish.submit(references)
        by_id = {row["request_id"]: row for row in rows}
        return [by_id[str(request_id)] for request_id, _ in uploads]

    def announce(self, references: list[Reference]) -> None:
        """Set off work on images that have their rows already, where a message does that."""
        if self._enqueue:
            self._enqueue_or_leave(self._enqueue, references)

    @staticmethod
    def _enqueue_or_leave(
        enqueue: Callable[[Iterable[Reference]], None], references: list[Reference]
    ) -> list[Reference]:
        try:
            enqueue(references)
        except Exception as error:
            # Accepted all the same: the rows are there, and the sweep enqueues them as soon
            # as the broker is back. Telling the client to try again would do it twice.
            log.error("could not enqueue %d images, left to the sweep: %s", len(references), error)
        return references
