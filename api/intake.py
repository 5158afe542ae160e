"""Accept images: store, insert, enqueue, in that order; then wait for those who want to."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from api.admission import LARGE_BYTES, Admission
from batching import MicroBatcher
from store.errors import Conflict, StoreError
from store.images import ImageStore
from store.notifications import Finished, Waiter
from store.predictions import Predictions
from store.records import NewPrediction
from store.references import Reference
from tasks.adoption import key_of

log = logging.getLogger(__name__)

COMMIT_TOGETHER = 256  # images of concurrent uploads that one statement inserts, at most
MOST_CONFLICTS = 10  # in one commit; each finds a race that was lost, or ends a deadlock

Row = dict[str, Any]


@dataclass(frozen=True)
class Upload:
    """One image as it came in, checked as far as that is cheap."""

    name: str
    data: bytes
    content_type: str
    true_label: str | None = None
    traceparent: str | None = None
    request_id: UUID | None = None  # where the client chose one


# An upload, and what its object is called: nobody else's is, whatever ids clients choose.
Named = tuple[UUID, Upload]


class Intake:
    """The only way in. Uploads that arrive together are committed together.

    A commit waits for the disk, and so does each image; but ten of them that wait
    together wait once. Under load this is most of what an upload costs. Large requests are
    committed among themselves, and together have no more bytes than ``admission`` takes.
    ``enqueue`` is None in a lane where an image that is stored is an event already.
    """

    def __init__(
        self,
        images: ImageStore,
        predictions: Predictions,
        finished: Finished,
        enqueue: Callable[[Iterable[Reference]], None] | None,
        admission: Admission,
        *,
        lane: str,
        max_waiting: int,
    ) -> None:
        self._images = images
        self._predictions = predictions
        self._finished = finished
        self._enqueue = enqueue
        self._admission = admission
        self._lane = lane
        # Each wait holds one of the server's threads; some are kept for everyone else.
        self._places_to_wait = threading.BoundedSemaphore(max_waiting)
        # Their threads start with the first upload, because servers fork after making the app.
        self._batchers_lock = threading.Lock()
        self._batchers_made = False

    def accept(self, uploads: list[Upload], wait_s: float) -> list[Row | None]:
        """Accept images and return their rows, in order: finished if that was soon enough.

        An image whose id has a row was accepted before. It gets that row and is not accepted
        again; or ``None``, if the row is another image's. No two of ``uploads`` have one id.

        It empties ``uploads``: who waits keeps no image in memory that is on disk.

        When this returns, the images and their rows are on disk: whatever dies, they will
        be classified. Beyond the places to wait in, it returns without waiting.

        Raises:
            Overloaded: too much waits already, and nothing was accepted.
            StoreError: the images or rows could not be stored, and what was is taken back as
                far as the stores can be reached: they can be sent again.
        """
        # Rows are inserted in the order of their keys: the rows of a request get theirs in
        # the order in which its images were sent, so that they are listed in it.
        named = list(zip(sorted(uuid4() for _ in uploads), uploads, strict=True))
        uploads.clear()
        ids = [_id_of(one) for one in named]
        if wait_s <= 0 or not self._places_to_wait.acquire(blocking=False):
            committed = self._submit(named)
            del named  # else it is kept by an error of the commit, as long as that is kept
            return committed.result()
        try:
            with self._finished.watch(ids) as waiter:
                # Waited for once, until all is finished, and not for the commit as well: to wake
                # a thread takes the processor longer than to look after an image here.
                committed = self._submit(named)
                committed.add_done_callback(partial(_leave_out, waiter, ids))
                del named
                finished = waiter.wait(wait_s)
                rows = committed.result()
            return [row and finished.get(row["request_id"], row) for row in rows]
        finally:
            self._places_to_wait.release()

    def _submit(self, uploads: list[Named]) -> Future[list[Row | None]]:
        """Have images committed together with others that come at the same time.

        Raises:
            Overloaded: there is no room for them.
        """
        images, size_bytes = len(uploads), sum(len(upload.data) for _, upload in uploads)
        self._admission.enter(images, size_bytes)
        try:
            committed = self._committed_together(uploads, size_bytes)
        except BaseException:  # no thread could be started: they are not on their way
            self._admission.left(images, size_bytes, committed=0)
            raise
        committed.add_done_callback(partial(self._left, images, size_bytes))
        return committed

    def _left(self, images: int, size_bytes: int, committed: Future[list[Row | None]]) -> None:
        self._admission.left(images, size_bytes, 0 if committed.exception() else images)

    def _committed_together(
        self, uploads: list[Named], size_bytes: int
    ) -> Future[list[Row | None]]:
        with self._batchers_lock:
            if not self._batchers_made:
                self._insert = MicroBatcher(self._commit, size=COMMIT_TOGETHER)
                # Small ones would wait for all that the disk has to take of these.
                self._insert_large = MicroBatcher(self._commit, size=COMMIT_TOGETHER)
                if self._enqueue:
                    publish = partial(self._enqueue_or_leave, self._enqueue)
                    self._publish = MicroBatcher(publish, size=COMMIT_TOGETHER)
                self._batchers_made = True
        return (self._insert_large if size_bytes > LARGE_BYTES else self._insert).submit(uploads)

    def _commit(self, uploads: list[Named]) -> list[Row | None]:
        ids = [_id_of(one) for one in uploads]
        digests = [hashlib.sha256(upload.data).hexdigest() for _, upload in uploads]
        rows = self._rows_of([str(upload.request_id) for _, upload in uploads if upload.request_id])
        new: dict[str, tuple[Named, str]] = {}
        for request_id, one, digest in zip(ids, uploads, digests, strict=True):
            if request_id not in rows:  # of two requests with one id, the first is accepted
                new.setdefault(request_id, (one, digest))
        if new:
            rows |= self._store(list(new.values()))
        return [
            rows[request_id] if rows[request_id]["sha256"] == digest else None
            for request_id, digest in zip(ids, digests, strict=True)
        ]

    def _store(self, uploads: list[tuple[Named, str]]) -> dict[str, Row]:
        """Store, insert and enqueue; return the rows by id, those of lost races among them."""
        references = self._images.put_many(
            [(key_of(own), upload.data, upload.content_type) for (own, upload), _ in uploads]
        )
        fresh = {
            str(upload.request_id or own): NewPrediction(
                request_id=upload.request_id or own,
                lane=self._lane,
                image_name=upload.name,
                content_type=upload.content_type,
                size_bytes=len(upload.data),
                sha256=digest,
                reference=reference,
                true_label=upload.true_label,
                traceparent=upload.traceparent,
            )
            for ((own, upload), digest), reference in zip(uploads, references, strict=True)
        }
        chosen = {str(upload.request_id) for (_, upload), _ in uploads if upload.request_id}
        try:
            rows = self._insert_or_find(fresh, chosen)
        except StoreError:
            # In the cloud each stored image is an event, and would become a row all the same.
            self._images.delete_many(self._without_row(fresh, chosen))
            raise
        if self._enqueue and fresh:
            # Not waited for: a broker that hangs must not hold up who uploads.
            self._publish.submit([row.reference for row in fresh.values()])
        return rows

    def _insert_or_find(self, fresh: dict[str, NewPrediction], chosen: set[str]) -> dict[str, Row]:
        """Insert ``fresh``, and return its rows and those of others that were there before it.

        Another process may insert an id of ours after we have looked for it. Then nothing of
        this commit is inserted: what lost its race is taken out of ``fresh`` and back out of the
        store, where its key is not the winner's, and the others are inserted once more.
        """
        found: dict[str, Row] = {}
        for _ in range(MOST_CONFLICTS):
            if not fresh:
                return found
            try:
                inserted = self._predictions.insert(list(fresh.values()))
            except Conflict:
                if not chosen & fresh.keys():
                    raise
            else:
                return found | {row["request_id"]: row for row in inserted}
            winners = self._rows_of(chosen & fresh.keys())  # none yet, after a deadlock
            lost = [fresh.pop(request_id).reference for request_id in winners]
            self._images.delete_many(lost)
            # In the cloud their events may have had them adopted, and each image would be shown
            # twice. Only now, because who adopts looks for the object first: an event that comes
            # later finds none. One that looked before the deletion and inserts after this leaves
            # a row that fails (image_missing), under an id that nobody was told.
            self._predictions.forget(lost)
            found |= winners
        raise StoreError(f"database: {MOST_CONFLICTS} conflicts over request ids in one commit")

    def _without_row(self, fresh: dict[str, NewPrediction], chosen: set[str]) -> list[Reference]:
        """Return the images that can be taken back, after an insertion that failed.

        It may have been committed all the same, and only the database's answer was lost. Who
        chose an id comes back with it and is given that row, so its image has to stay.
        """
        asked = [row.reference for request_id, row in fresh.items() if request_id in chosen]
        try:
            rows = self._predictions.of(asked) if asked else []
            kept = {
                Reference(row["storage_key"], row["storage_version"])
                for row in rows
                if row["sha256"]
            }
        except StoreError:
            kept = set(asked)  # an image without a row is the lesser evil
        return [row.reference for row in fresh.values() if row.reference not in kept]

    def _rows_of(self, chosen: Collection[str]) -> dict[str, Row]:
        """Return the rows by these ids; asks for none where no client chose an id."""
        if not chosen:
            return {}
        return {row["request_id"]: row for row in self._predictions.get(list(chosen))}

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


def _leave_out(waiter: Waiter, ids: list[str], committed: Future[list[Row | None]]) -> None:
    """Have ``waiter`` wait no longer for what nobody will tell of."""
    if committed.exception():
        rows: list[Row | None] = [None] * len(ids)
    else:
        rows = committed.result()
    for request_id, row in zip(ids, rows, strict=True):
        # What is finished by now, because it was sent before or its event came first, is whole.
        if row is None or row["finished_at"]:
            waiter.leave_out(request_id)


def _id_of(named: Named) -> str:
    own, upload = named
    return str(upload.request_id or own)
