"""What a thread does with a connection: take what has come, and serve a request that is whole."""

from __future__ import annotations

import errno
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from api import keys
from api.arrival import HEAD_MOST_BYTES, IN_MEMORY_BYTES
from api.connection import Connection, tell
from api.refusals import NO_ROOM, OUR_FAULT, TOO_LONG, of_error
from settings import settings

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DEFER = object()  # what ``handle`` returns of a request that has not come yet


class _NotYet(BaseException):
    """The body has not come. Not an ``Exception``, which gunicorn would answer with 500."""


def _is_welcome(req: Any) -> bool:
    """Whether its body is waited for: not where the app will ask for a key, and there is none.

    The app has the last word on a key. This saves room, as long as nobody makes one up.
    """
    return not settings().keys_required or keys.has_form_of_one(req.headers)


class Serving(ThreadWorker):
    """The part of the worker that runs in its threads."""

    def handle(self, conn: Connection) -> Any:
        """Take what has come of a request; serve it if that is all."""
        arrival, conn.in_line_s = conn.arrival, 0.0
        conn.since_s = conn.since_s or time.monotonic()
        try:
            # Not where the next one came whole behind the last: more would gather with each.
            if conn.parser.waits or not arrival.has_head:
                arrival.take(conn.sock)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self.log.warning("no room for a request's body: %s", error)
                tell(conn.sock, NO_ROOM)
            return False
        if not arrival.has_head:
            if arrival.came_bytes > HEAD_MOST_BYTES:
                tell(conn.sock, TOO_LONG)
                return False
            return False if arrival.ended else DEFER
        try:
            return super().handle(conn)
        except _NotYet:
            return DEFER

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Serve a request whose head was read; or leave it, until its body has come."""
        reader = req.body.reader
        conn.parser.waits = False
        conn.sock.setblocking(False)
        if not conn.arrival.is_whole(reader):
            if _is_welcome(req) and not conn.arrival.is_hopeless(reader):
                conn.parser.waits = True
                if req._expected_100_continue:
                    req._expected_100_continue = False
                    conn.sock.sendall(CONTINUE)
                raise _NotYet
            req.force_close()  # where the next request would begin is not known
        req._expected_100_continue = False  # whether it will be taken, the answer says
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Connection, keepalive: Any) -> bool:
        """Whether there may be another request; what was not read of this one is passed over."""
        try:
            if not keepalive or not conn.parser.finish_body(max_bytes=IN_MEMORY_BYTES):
                return False
            conn.arrival.begin_next()
        except Exception as error:  # this one was answered: whatever it is, no answer is due
            self.log.info("a connection ends behind its request: %r", type(error))
            return False
        conn.since_s = None
        return True

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what is no request, or what the app did not. The log does not repeat it."""
        answer = of_error(exc)
        if answer is OUR_FAULT:
            self.log.exception("Error handling a request")
        else:
            self.log.warning(
                "not a request, from %s: %s", addr[0] if addr else "a socket", type(exc).__name__
            )
        tell(client, answer)
