"""Whether one more image is taken: never more than the workers can be expected to get to.

A queue without a bound only grows slower answers, until memory ends it. So beyond so many
unfinished images, or behind one that has waited for so long, uploads are refused, and are told
when to come again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from store.errors import StoreError
from store.statistics import Backlog

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
LOOK_SHARE = 0.05  # of the time: a database in trouble is asked less often,
PAUSE_MOST_S = 2.0  # and yet so often, for what is known grows old: what came since only adds up
FAILED_PAUSE_S = 1.0  # what is not known refuses nobody, or those whom there is room for
RETRY_LEAST_S, RETRY_MOST_S = 1.0, 30.0
IDLE_MOST_S = 10.0  # told to come back after, where nothing is finished


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
    """

    def __init__(
        self,
        look: Callable[[], Backlog],
        *,
        most_images: int,
        most_age_s: float,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._look = look
        self.most_images = most_images
        self.most_age_s = most_age_s
        self.refused = 0  # requests
        self._look_every_s = look_every_s
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._look_at_s = float("-inf")
        self._seen: Backlog | None = None
        self._came = 0  # images committed since then
        self._coming = 0  # images taken, on their way to their commit
        self._worked_s: float | None = None  # when images were being finished, or the first look

    def check(self) -> None:
        """Refuse what would be refused by ``enter``: before the work of reading it.

        Raises:
            Overloaded: there is no room.
        """
        self._look_again()
        with self._lock:
            self._refuse_beyond_limits()

    def enter(self, images: int) -> None:
        """Take a request's images; ``left`` has to follow, whatever becomes of them.

        Raises:
            Overloaded: there is no room, and nothing was taken.
        """
        self._look_again()
        with self._lock:
            self._refuse_beyond_limits()
            self._coming += images

    def left(self, images: int, committed: int) -> None:
        """Say that images that were taken are on their way no longer; so many have rows."""
        with self._lock:
            self._coming -= images
            self._came += committed

    def _refuse_beyond_limits(self) -> None:
        if self._seen is None:  # the database is away, and who inserts will say so
            return
        depth = self._seen.unfinished + self._came + self._coming
        if self.most_images and depth >= self.most_images:
            why = f"{depth} images are unfinished; {self.most_images} may be."
        elif self.most_age_s and self._seen.oldest_s > self.most_age_s:
            why = f"An image has been waiting for {self._seen.oldest_s:.0f} s."
        else:
            return
        self.refused += 1
        raise Overloaded(f"{why} This request was not taken; send it again.", self._retry_s(depth))

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
