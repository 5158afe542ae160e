"""Whether one more image is taken: never more than the workers can be expected to get to.

A queue without a bound only grows slower answers, until memory ends it. So beyond so many
unfinished images, or behind one that has waited for so long, uploads are refused, and are told
when to come again. Large ones are as well while too many bytes wait for a slow disk.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from store.errors import StoreError
from store.statistics import Backlog

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
LOOK_SHARE = 0.05  # of the time: a database in trouble is asked less often,
PAUSE_MOST_S = 2.0  # and yet so often, for what is known grows old: what came since only adds up
FAILED_PAUSE_S = 1.0  # what is not known refuses nobody, or those whom there is room for
RETRY_LEAST_S, RETRY_MOST_S = 1.0, 30.0
IDLE_MOST_S = 10.0  # told to come back after, where nothing is finished
DISK_MOST_S = 5.0  # likewise, where the disk is behind: it soon has what was taken
# A request with more is large, as in api.arrival. Smaller ones need no bound in bytes: each holds
# one of the server's threads until it is on disk.
LARGE_BYTES = 1024 * 1024
# Large requests that are read at once. That is work of one processor, and done no sooner by many,
# who would all have what it takes in memory: of JSON, three times its size. The others lie where
# they arrived, and count there. Nobody's slowness is waited for: a body has come by then.
READ_AT_ONCE = 2


class Overloaded(Exception):
    """Nothing is taken now; ``retry_after_s`` is when there may be room again."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Admission:
    """Knows how much waits: by a look at the store a few times a second, and by what came since.

    A request is taken whole or not at all. It is taken as long as there is room for one image,
    so the limit is exceeded by one batch at most; and with several processes besides by what
    the others take between two looks of this one. A limit of 0 is none.

    ``most_bytes`` is of images in memory, read and not yet on disk: once there are so many, large
    requests are refused. So it is exceeded by one request at most, and by small ones.
    """

    def __init__(
        self,
        look: Callable[[], Backlog],
        *,
        most_images: int,
        most_age_s: float,
        most_bytes: int = 0,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._look = look
        self.most_images = most_images
        self.most_age_s = most_age_s
        self._most_bytes = most_bytes
        self.refused = 0  # requests
        self._look_every_s = look_every_s
        self._places_to_read = threading.BoundedSemaphore(READ_AT_ONCE)
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._look_at_s = float("-inf")
        self._seen: Backlog | None = None
        self._came = 0  # images committed since then
        self._coming = self._coming_bytes = 0  # images taken, on their way to their commit
        self._worked_s: float | None = None  # when images were being finished, or the first look

    def check(self, size_bytes: int | None) -> None:
        """Refuse what would be refused by ``enter``.

        ``size_bytes`` is the request's size, where it is known.

        Raises:
            Overloaded: there is no room.
        """
        self._look_again()
        with self._lock:
            self._refuse_beyond_limits(size_bytes or 0)

    @contextmanager
    def reading(self, size_bytes: int | None) -> Iterator[None]:
        """Have a place to read a request in, if its images would be taken then.

        Raises:
            Overloaded: they would not, and nothing was read.
        """
        self.check(size_bytes)
        if size_bytes is not None and size_bytes <= LARGE_BYTES:
            yield
            return
        with self._places_to_read:
            self.check(size_bytes)  # others were taken meanwhile
            yield

    def enter(self, images: int, size_bytes: int) -> None:
        """Take a request's images; ``left`` has to follow, whatever becomes of them.

        Raises:
            Overloaded: there is no room, and nothing was taken.
        """
        self._look_again()
        with self._lock:
            self._refuse_beyond_limits(size_bytes)
            self._coming += images
            self._coming_bytes += size_bytes

    def left(self, images: int, size_bytes: int, committed: int) -> None:
        """Say that images that were taken are on their way no longer; so many have rows."""
        with self._lock:
            self._coming -= images
            self._coming_bytes -= size_bytes
            self._came += committed

    def _refuse_beyond_limits(self, size_bytes: int) -> None:
        if size_bytes > LARGE_BYTES and 0 < self._most_bytes <= self._coming_bytes:
            told_s = random.uniform(RETRY_LEAST_S, DISK_MOST_S)  # noqa: S311  (no secret)
            self._refuse(f"{self._coming_bytes} bytes of images wait to be stored.", round(told_s))
        if self._seen is None:  # the database is away, and who inserts will say so
            return
        depth = self._seen.unfinished + self._came + self._coming
        if self.most_images and depth >= self.most_images:
            why = f"{depth} images are unfinished; {self.most_images} may be."
        elif self.most_age_s and self._seen.oldest_s > self.most_age_s:
            why = f"An image has been waiting for {self._seen.oldest_s:.0f} s."
        else:
            return
        self._refuse(why, self._retry_s(depth))

    def _refuse(self, why: str, retry_after_s: int) -> NoReturn:
        self.refused += 1
        raise Overloaded(f"{why} This request was not taken; send it again.", retry_after_s)

    def _retry_s(self, depth: int) -> int:
        """Return a time by when some of the queue is gone, another one for each who asks.

        From a quarter to three quarters of what the whole queue takes: who was refused together
        does not come back together, and the workers do not run dry meanwhile.
        """
        if self._seen and self._seen.finished_per_s > 0:
            drained_s = depth / self._seen.finished_per_s
            told_s = random.uniform(0.25, 0.75) * drained_s  # noqa: S311  (no secret)
        else:  # nobody works: look for as long again
            idle_s = time.monotonic() - (self._worked_s or time.monotonic())
            told_s = min(IDLE_MOST_S, idle_s)
        return round(min(RETRY_MOST_S, max(RETRY_LEAST_S, told_s)))

    def _look_again(self) -> None:
        if not (self.most_images or self.most_age_s) or time.monotonic() < self._look_at_s:
            return
        # One looks, and the others go on with what is known; the first time there is nothing.
        if not self._looking.acquire(blocking=self._seen is None):
            return
        began_s = time.monotonic()
        try:
            if began_s < self._look_at_s:  # another has looked while this one waited
                return
            with self._lock:
                came = self._came
            try:
                seen = self._look()
            except StoreError as error:
                log.warning("the queue's depth is unknown: %s", error)
                self._look_at_s = time.monotonic() + FAILED_PAUSE_S
            else:
                with self._lock:
                    self._came -= came  # what came meanwhile is perhaps counted twice, never not
                    self._seen = seen
                    now_s = time.monotonic()
                    if self._worked_s is None or seen.finished_per_s > 0:
                        self._worked_s = now_s
                pause_s = min(PAUSE_MOST_S, (now_s - began_s) / LOOK_SHARE)
                self._look_at_s = now_s + max(self._look_every_s, pause_s)
        finally:
            self._looking.release()
