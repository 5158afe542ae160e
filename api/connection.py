"""A client's connection: what has come of its next request, and how it is written to."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

from api.arrival import Arrival, Room
from api.departure import SEND_BYTES, UNSENT_BYTES, Departure
from settings import settings

# How long a request may take to arrive, as servers commonly have it: so long for its head, and as
# long again and a second for each so many bytes that have come of its body.
HEAD_S, LEAST_BYTES_PER_S = 20.0, 1_000


class _Parser(RequestParser):
    """Gunicorn's parser, which gives a request again whose body was waited for."""

    waits = False

    def __next__(self) -> Any:
        return self.mesg if self.waits else super().__next__()


class _Socket(socket.socket):
    """A socket that keeps what its client does not take at once. It must be non-blocking."""

    departure: Departure

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.departure.send(self, data)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send ``count`` bytes of a file. By way of memory: what is kept may outlive the file."""
        file.seek(offset)
        left = count or 0
        while left and (data := file.read(min(left, SEND_BYTES))):
            self.sendall(data)
            left -= len(data)
        return (count or 0) - left


class Connection(TConn):
    """A connection, what has come of its next request, and what its last answer has left."""

    def __init__(
        self,
        cfg: Any,
        sock: socket.socket,
        client: Any,
        server: Any,
        *,
        room: Room,
        answers: Room,
    ) -> None:
        keeping = _Socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
        with suppress(OSError):  # a Unix socket has no such thing
            keeping.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        keeping.departure = self.departure = Departure(answers)
        super().__init__(cfg, keeping, client, server)
        self.arrival = Arrival(settings().max_body_bytes, room)
        self.parser = _Parser(cfg, [], client)
        self.parser.unreader = self.arrival
        self.initialized = True  # there is nothing to wait for, nor any TLS
        self.since_s: float | None = time.monotonic()
        self.in_line_s = self.leaves_at_s = 0.0

    def has_gone(self) -> bool:
        """Whether the client has closed it between two requests, or before the first."""
        if self.arrival.came_bytes:
            return False
        try:
            return not self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def is_overdue(self, now_s: float) -> bool:
        """Whether its request is arriving for longer than it may."""
        allowed_s = HEAD_S
        if self.arrival.has_head:
            allowed_s += HEAD_S + self.arrival.came_bytes / LEAST_BYTES_PER_S
        return now_s - (self.since_s or now_s) > allowed_s


def tell(sock: socket.socket, answer: bytes) -> None:
    """Send, if there is room for it: nobody is waited for."""
    with suppress(OSError):
        sock.setblocking(False)
        sock.send(answer)
