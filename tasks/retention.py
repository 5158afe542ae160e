"""Let go of what is old: image and row together, while serving, a piece of it at a time."""

from __future__ import annotations

import logging
import time

from store.errors import StoreError
from store.images import ImageStore
from store.retention import Retention

log = logging.getLogger(__name__)

DAY_S = 86_400.0
ROUND_S = 2.0  # of a sweep's round: images that were left lying are not to wait for this


def prune(
    retention: Retention, images: ImageStore, older_than_s: float, within_s: float = ROUND_S
) -> int:
    """Delete finished predictions that were accepted so long ago; return how many.

    The image goes first, because its row says where it is: whatever dies in between, the row
    is found again, and the deletion done once more. The other way round, an image that nobody
    knows of would stay for ever. What cannot be deleted now keeps its row, and is tried again.
    Ends within ``within_s`` and the time for one page more. The next call with this
    ``retention`` goes on from there, and after the end from the start: thousands of the oldest
    that cannot be deleted are not to be all that any round comes to.

    How old a row is, the clock of the database's host says, and nothing else.

    Raises:
        StoreError: the database failed.
    """
    until_s = time.monotonic() + within_s
    gone = 0
    while True:
        page = retention.page(older_than_s, retention.after)
        deleted = set(images.delete_many([one.reference for one in page.old]))
        gone += retention.delete([one.id for one in page.old if one.reference in deleted])
        retention.after = page.next or 0
        if page.next is None or time.monotonic() > until_s:
            return gone


def prune_or_log(retention: Retention, images: ImageStore, days: float) -> None:
    """Prune in a sweep's round; nothing for 0 days. What fails is left to the next round."""
    if not days:
        return
    try:
        if gone := prune(retention, images, days * DAY_S):
            log.info("deleted %d predictions older than %g days", gone, days)
    except StoreError as error:
        log.error("old predictions could not be deleted: %s", error)
