"""How many requests a key may make in a while: 429 beyond that. Nothing is loaded without a limit.

Counted by the sliding window counters of the library ``limits``: where the broker is a Redis, in
it, for all processes together; in the cloud, and with another broker, by each process for itself.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from api import keys
from api.errors import Problem
from settings import Settings

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

log = logging.getLogger(__name__)

REDIS_TIMEOUT_S = 0.5  # that a request is held up by a broker that hangs
MEMORY = "memory://"
AWAY_S = 5.0  # after which one request asks it again, while all others are let in


def register(app: Flask, chosen: Settings) -> None:
    """Count requests. After ``api.keys``, which says whose they are; others' are not counted."""
    limiter = Limiter(chosen)

    @app.before_request
    def _count() -> None:
        key = keys.asking()
        limit = (key.rate_limit if key else None) or chosen.rate_limit
        if limit and not keys.is_public():
            who = ("key", key.id) if key else ("address", request.remote_addr or "")
            g.rate = limiter.hit(limit, *who)
            if g.rate and not g.rate.allowed:
                raise Problem(
                    429,
                    "rate_limited",
                    f"More than {limit} requests; wait for {g.rate.reset_s} s.",
                    headers={"Retry-After": str(g.rate.reset_s)},
                )

    @app.after_request
    def _tell(response: Response) -> Response:
        if rate := g.get("rate"):
            # https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
            response.headers["RateLimit-Policy"] = f'"requests";q={rate.limit};w={rate.window_s}'
            response.headers["RateLimit"] = f'"requests";r={rate.left};t={rate.reset_s}'
        return response


class Rate:
    """How a caller stands: of ``limit`` requests in ``window_s``, ``left`` until ``reset_s``."""

    def __init__(self, item: RateLimitItem, allowed: bool, left: int, reset_at: float) -> None:
        self.limit, self.window_s = item.amount, item.get_expiry()
        self.allowed, self.left = allowed, max(0, left)
        self.reset_s = max(1, math.ceil(reset_at - time.time()))


class Limiter:
    """Counts, and lets everybody in while it cannot: the broker is no reason to refuse work."""

    def __init__(self, chosen: Settings) -> None:
        self._url = storage_url(chosen)
        self._alone = chosen.lane == "on-prem" and self._url == MEMORY
        self._made: RateLimiter | None = None
        self._making = threading.Lock()
        self._answers = False  # by the last that was heard; at first nobody has asked
        self._told_away = False
        self._ask_at_s = float("-inf")
        self._asking = threading.Lock()

    def hit(self, limit: str, *who: str) -> Rate | None:
        """Count one request of ``who``; ``None`` if it could not be counted."""
        if self._answers:
            return self._count(limit, *who)
        if time.monotonic() < self._ask_at_s or not self._asking.acquire(blocking=False):
            return None
        try:
            return self._count(limit, *who)
        finally:
            self._asking.release()

    def _count(self, limit: str, *who: str) -> Rate | None:
        from limits import parse

        item = parse(limit)
        try:
            limiter = self._limiter()
            allowed = limiter.hit(item, *who)
            reset_at, left = limiter.get_window_stats(item, *who)
        except Exception as error:  # whatever it is: a library's, of a server that may be away
            self._ask_at_s = time.monotonic() + AWAY_S
            self._answers = False
            self._tell_away(True, f"requests are not counted: {type(error).__name__}")
            return None
        self._answers = True
        self._tell_away(False, "requests are counted again")
        return Rate(item, allowed, left, reset_at)

    def _tell_away(self, away: bool, line: str) -> None:
        if away == self._told_away:  # as nearly always: no lock for that
            return
        with self._making:
            if away != self._told_away:
                self._told_away = away
                log.warning(line)

    def _limiter(self) -> RateLimiter:
        from limits.storage import storage_from_string
        from limits.strategies import SlidingWindowCounterRateLimiter

        with self._making:
            if self._made is None:
                options: dict[str, float] = {}
                if self._url != MEMORY:
                    options = {
                        "socket_timeout": REDIS_TIMEOUT_S,
                        "socket_connect_timeout": REDIS_TIMEOUT_S,
                    }
                storage = storage_from_string(self._url, **options)
                if self._alone:
                    log.warning("the broker is no Redis: each process counts requests for itself")
                self._made = SlidingWindowCounterRateLimiter(storage)
            return self._made


def storage_url(chosen: Settings) -> str:
    """Return where the counts are, as the library calls it."""
    # Celery's name of a Unix socket, and the library's.
    url = chosen.broker_url.replace("redis+socket://", "redis+unix://")
    return url if url.startswith(("redis://", "rediss://", "redis+unix://")) else MEMORY
