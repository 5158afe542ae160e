"""A client's connection: what has come of its next request, and how it is written to."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

from api.arrival import Arrival, Room
from settings import settings

# How long a request may take to arrive, as servers commonly have it: so long for its head, and as
# long again and a second for each so many bytes that have come of its body.
HEAD_S, LEAST_BYTES_PER_S = 20.0, 1_000
SEND_BYTES = 64 * 1024


class _Parser(RequestParser):
    """Gunicorn's parser, which gives a request again whose body was waited for."""

    waits = False

    def __next__(self) -> Any:
        return self.mesg if self.waits else super().__next__()


class _Socket(socket.socket):
    """A socket whose timeout is for each part of what is sent, and not for all of it together."""

    def sendall(self, data: Any, flags: int = 0) -> None:
        whole = memoryview(data)
        for at in range(0, len(whole), SEND_BYTES):
            super().sendall(whole[at : at + SEND_BYTES], flags)


class Connection(TConn):
    """A connection, what has come of its next request, and since when that is coming."""

    def __init__(
        self, cfg: Any, sock: socket.socket, client: Any, server: Any, *, room: Room
    ) -> None:
        patient = _Socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
        super().__init__(cfg, patient, client, server)
        self.arrival = Arrival(settings().max_body_bytes, room)
        self.parser = _Parser(cfg, [], client)
        self.parser.unreader = self.arrival
        self.initialized = True  # there is nothing to wait for, nor any TLS
        self.since_s: float | None = time.monotonic()
        self.leaves_at_s = 0.0

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
