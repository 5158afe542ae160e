"""Gunicorn's threads, each for a request that has come, and not for one that is coming.

A thread of gunicorn's own reads its request from the socket, and waits for a client that is slow
or means harm: ninety-six of those, and nobody else is served. Here a connection waits where all
idle ones do, in the poller of the main thread, until its request is here to the last byte of its
body. A thread takes what is there each time there is more, and never waits for it.
"""

from __future__ import annotations

import errno
import resource
import selectors
import socket
import time
from functools import partial
from typing import Any

from gunicorn.errors import ConfigError
from gunicorn.workers.gthread import ThreadWorker

from api import keys
from api.arrival import HEAD_MOST_BYTES, IN_MEMORY_BYTES, Room
from api.connection import Connection, tell
from api.refusals import NO_ROOM, OUR_FAULT, TOO_LONG, TOO_SLOW, of_error
from settings import settings

SEND_S = 60.0  # for each SEND_BYTES of an answer: who does not read it holds a thread
LINGER_S = 2.0  # an answer was the last one: until the client closes, too
LOOK_EVERY_S = 0.5  # for who is too slow
# What requests may hold together, in bodies of the largest size. Beyond the first figure the
# slowest one gives way, beyond the second one who sends more.
BODIES_AT_ONCE, BODIES_MOST = 3, 4
FILES_MOST, FILES_OTHERWISE = 65_536, 200  # open ones: at most, and those that are no connections
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DEFER = object()  # what ``handle`` returns of a request that has not come yet


class _NotYet(BaseException):
    """The body has not come. Not an ``Exception``, which gunicorn would answer with 500."""


def _since_s(conn: Connection) -> float:
    return conn.since_s or 0.0


def _is_welcome(req: Any) -> bool:
    """Whether its body is waited for: not where the app will ask for a key, and there is none.

    The app has the last word on a key. This saves room, as long as nobody makes one up.
    """
    return not settings().keys_required or keys.has_form_of_one(req.headers)


class Worker(ThreadWorker):
    """A process of the API. Its main thread alone changes what is in the poller."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[Connection, None] = {}
        self._room = Room(BODIES_MOST * settings().max_body_bytes)
        self._leaving: dict[Connection, None] = {}
        self._wants_room = False
        self._look_at_s = self._stops_at_s = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise ConfigError("this worker has no TLS: let a proxy have it")

    def init_process(self) -> None:
        # A connection is an open file, and the usual limit of 1,024 is soon reached.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = FILES_MOST if hard == resource.RLIM_INFINITY else min(hard, FILES_MOST)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        self.worker_connections = min(self.cfg.worker_connections, most - FILES_OTHERWISE)
        super().init_process()

    # In the main thread.

    def accept(self, listener: Any) -> None:
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._wants_room = True
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, sock, client, listener.getsockname(), room=self._room)
        self._wait_for(conn)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """See what became of a connection that a thread had in hand."""
        result = False if fs.cancelled() or fs.exception() else fs.result()
        if not result:
            self._leave(conn)
        elif result is DEFER:
            self._wait_for(conn)
        elif conn.arrival.came_bytes:  # the next request came behind this one
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Part from those who are too slow, now and then, and from others where room is wanted.

        Called once the events of a look into the poller are dealt with. Not earlier: there may be
        one among them of a connection that would be closed by then.
        """
        if self._wants_room or self.nr_conns >= self.worker_connections:
            self._wants_room = False
            self._make_room_for_connections()
        self._make_room_for_bodies()
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_EVERY_S
        if not self.alive:
            self._stops_at_s = self._stops_at_s or now_s + LINGER_S
        for conn in list(self._arriving):
            silent = not conn.arrival.came_bytes
            if conn.is_overdue(now_s) or (silent and 0 < self._stops_at_s < now_s):
                self._give_up(conn, TOO_SLOW)
        for conn in [one for one in self._leaving if one.leaves_at_s < now_s]:
            self._close(conn)

    def _wait_for(self, conn: Connection) -> None:
        conn.sock.setblocking(False)
        self._arriving[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_more, conn))

    def _waits_no_longer(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        del self._arriving[conn]

    def _on_more(self, conn: Connection, _: Any) -> None:
        self._waits_no_longer(conn)
        self.enqueue_req(conn)

    def _make_room_for_connections(self) -> None:
        """Let go of who leaves, else of the request that is arriving for longest, or who idles."""
        if self._arriving and not self._leaving:
            self._give_up(min(self._arriving, key=_since_s), NO_ROOM)
        if self._leaving:
            self._close(next(iter(self._leaving)))  # now: its place is what is wanted
        elif self.keepalived_conns:
            idle = self.keepalived_conns.popleft()
            self.poller.unregister(idle.sock)
            self.nr_conns -= 1
            idle.close()

    def _make_room_for_bodies(self) -> None:
        """Let go of the bodies that are arriving for longest, of large ones where there are any."""
        while self._room.held_bytes > BODIES_AT_ONCE * settings().max_body_bytes:
            some = [one for one in self._arriving if one.arrival.held_bytes]
            large = [one for one in some if one.arrival.held_bytes > IN_MEMORY_BYTES]
            if not some:  # threads have them in hand, to serve them
                return
            self._give_up(min(large or some, key=_since_s), NO_ROOM)

    def _give_up(self, conn: Connection, answer: bytes) -> None:
        self._waits_no_longer(conn)
        if conn.arrival.came_bytes:  # it is no connection that was opened in advance
            self.log.info("a request was not waited for: %s", answer.partition(b"\r\n")[0])
            tell(conn.sock, answer)
        self._leave(conn)

    def _leave(self, conn: Connection) -> None:
        """Say goodbye, and listen until the client has heard it (RFC 9112, 9.6)."""
        conn.arrival.close()
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))
        except (OSError, ValueError):  # it has gone already
            self.nr_conns -= 1
            conn.close()
            return
        conn.leaves_at_s = time.monotonic() + LINGER_S
        self._leaving[conn] = None

    def _discard(self, conn: Connection, sock: socket.socket) -> None:
        try:
            if sock.recv(IN_MEMORY_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._close(conn)

    def _close(self, conn: Connection) -> None:
        del self._leaving[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    # In a thread.

    def handle(self, conn: Connection) -> Any:
        """Take what has come of a request; serve it if that is all."""
        arrival = conn.arrival
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
        conn.sock.settimeout(SEND_S)
        if not conn.arrival.is_whole(reader):
            if _is_welcome(req) and not conn.arrival.is_hopeless(reader):
                conn.parser.waits = True
                if req._expected_100_continue:
                    req._expected_100_continue = False
                    conn.sock.send(CONTINUE)
                raise _NotYet
            req.force_close()  # where the next request would begin is not known
        req._expected_100_continue = False  # whether it will be taken, the answer says
        try:
            return super().handle_request(req, conn)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the answer is not read") from error

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
