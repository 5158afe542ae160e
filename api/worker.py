"""Gunicorn's threads, each for a request that has come, and not for one that is coming.

A thread of gunicorn's own reads its request from the socket, and waits for a client that is slow
or means harm: ninety-six of those, and nobody else is served. Here a connection waits where all
idle ones do, in the poller of the main thread, until its request is here to the last byte of its
body. A thread takes what is there each time there is more, and never waits for it. Nor for a client
to read: what that does not take of its answer at once, the main thread sends on.
"""

from __future__ import annotations

import errno
import resource
import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.errors import ConfigError

from api.arrival import IN_MEMORY_BYTES, Room
from api.connection import Connection, tell
from api.refusals import NO_ROOM, TOO_SLOW
from api.serving import DEFER, Serving
from settings import settings

LINGER_S = 2.0  # an answer was the last one: until the client closes, too
LOOK_EVERY_S = 0.5  # for who is too slow
# What requests may hold together, in bodies of the largest size. Beyond the first figure the
# slowest one gives way, beyond the second one who sends more.
BODIES_AT_ONCE, BODIES_MOST = 3, 4
# What answers may have left together: from the first figure on the slowest one is broken off, and
# from the second on threads wait. Those are taken from the slowest where a request waits so long.
ANSWERS_BYTES, ANSWERS_MOST_BYTES = 48 * 1024 * 1024, 64 * 1024 * 1024
IN_LINE_S = 0.5
NO_LISTENER = {errno.EBADF, errno.EINVAL, errno.ENOTSOCK}
NO_PLACE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
FILES_MOST, FILES_OTHERWISE = 65_536, 200  # open ones: at most, and those that are no connections


def _since_s(conn: Connection) -> float:
    return conn.departure.since_s or conn.since_s or 0.0


class Worker(Serving):
    """A process of the API. Its main thread alone changes what is in the poller."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[Connection, None] = {}
        self._room = Room(BODIES_MOST * settings().max_body_bytes)
        self._in_hand: dict[Connection, None] = {}  # or in line for it; who came first is first
        self._answers = Room(ANSWERS_MOST_BYTES)
        self._departing: dict[Connection, Any] = {}  # with what came of ``handle``
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

    def accept(self, listener: Any) -> None:
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in NO_LISTENER:
                raise
            # All else is one connection's, or will pass (accept(2)); to raise it would end the
            # process, with all that it has in hand.
            self._wants_room |= error.errno in NO_PLACE
            return
        self.nr_conns += 1
        conn = Connection(
            *(self.cfg, sock, client, listener.getsockname()),
            room=self._room,
            answers=self._answers,
        )
        self._wait_for(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Have a thread take what has come; where that is the end alone, it needs none."""
        if conn.has_gone():
            self._forget(conn)
            return
        conn.in_line_s = time.monotonic()
        self._in_hand[conn] = None
        super().enqueue_req(conn)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """See what became of a connection that a thread had in hand."""
        del self._in_hand[conn]
        if conn.departure.kept_bytes:
            try:
                self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._depart, conn))
            except (OSError, ValueError):  # it has gone already
                conn.departure.close()
            else:
                self._departing[conn] = fs
                conn.departure.begin_again()
                return
        self._go_on(conn, fs)

    def _depart(self, conn: Connection, _: Any) -> None:
        try:
            conn.departure.go_on(conn.sock)
        except OSError:
            self._break_off(conn)
            return
        if not conn.departure.kept_bytes:
            self.poller.unregister(conn.sock)
            self._go_on(conn, self._departing.pop(conn))

    def _break_off(self, conn: Connection) -> None:
        """End an answer before it is whole: its client did not take it in time, or has gone."""
        self.log.info("an answer was not taken to its end")
        del self._departing[conn]
        self.poller.unregister(conn.sock)
        conn.departure.close()
        self._forget(conn)

    def _go_on(self, conn: Connection, fs: Any) -> None:
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
        self._make_room_for_answers()
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
        for conn in [one for one in self._departing if one.departure.is_overdue(now_s)]:
            self._break_off(conn)
        self._make_threads_free(now_s)
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
        """Let go of who leaves, else of who is arriving or departing for longest, or who idles."""
        slow = () if self._leaving else (*self._arriving, *self._departing)
        slowest = min(slow, key=_since_s, default=None)
        if slowest in self._departing:
            self._break_off(slowest)
            return
        if slowest:
            self._give_up(slowest, NO_ROOM)
        if self._leaving:
            self._close(next(iter(self._leaving)))  # now: its place is what is wanted
        elif self.keepalived_conns:
            idle = self.keepalived_conns.popleft()
            self.poller.unregister(idle.sock)
            self._forget(idle)

    def _make_room_for_bodies(self) -> None:
        """Let go of the bodies that are arriving for longest, of large ones where there are any."""
        while self._room.held_bytes > BODIES_AT_ONCE * settings().max_body_bytes:
            some = [one for one in self._arriving if one.arrival.held_bytes]
            large = [one for one in some if one.arrival.held_bytes > IN_MEMORY_BYTES]
            if not some:  # threads have them in hand, to serve them
                return
            self._give_up(min(large or some, key=_since_s), NO_ROOM)

    def _make_room_for_answers(self) -> None:
        """Break off those that are taken most slowly."""
        now_s = time.monotonic()
        while self._departing and self._answers.held_bytes > ANSWERS_BYTES:
            self._break_off(min(self._departing, key=lambda one: one.departure.bytes_per_s(now_s)))

    def _make_threads_free(self, now_s: float) -> None:
        """Break off whom threads wait for, the slowest first, where requests wait for a thread."""
        long_ago_s = now_s - IN_LINE_S
        wanted = sum(0 < one.in_line_s < long_ago_s for one in self._in_hand)
        held = [one for one in self._in_hand if one.departure.holds_thread]
        slow = [one for one in held if one.departure.since_s < long_ago_s]
        for conn in sorted(slow, key=lambda one: one.departure.bytes_per_s(now_s))[:wanted]:
            self.log.info("an answer was not waited for: its client reads too slowly")
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)  # its thread finds out

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
            self._forget(conn)
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
        self._forget(conn)

    def _forget(self, conn: Connection) -> None:
        conn.arrival.close()
        self.nr_conns -= 1
        conn.close()
