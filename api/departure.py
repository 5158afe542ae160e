"""What of an answer its client has not taken yet, so that a thread need not wait for that."""

from __future__ import annotations

import errno
import select
import socket
import time
from typing import Any

from api.arrival import Room

KEPT_MOST_BYTES = 1024 * 1024  # of one answer; while more is left, its thread waits
SEND_BYTES, SEND_S = 64 * 1024, 30.0  # who takes so long for so many bytes is too slow
# What the kernel holds that it could not send yet. It would take megabytes, taken by nobody, and
# then say nothing until a third of them was.
UNSENT_BYTES = 2 * SEND_BYTES
LOOK_EVERY_MS = 500  # for whether it takes too long


class Departure:
    """The end of an answer, in memory. A thread has it, and then the main thread, never both."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._kept = bytearray()
        self.since_s = 0.0  # the client does not keep up, and 0 where it does
        self._taken_bytes = 0  # since then
        self._next_bytes, self._due_s = 0, 0.0  # how much is to be taken by when
        self.holds_thread = False

    @property
    def kept_bytes(self) -> int:
        return len(self._kept)

    def bytes_per_s(self, now_s: float) -> float:
        """Return how fast the client takes it. Who has only begun to be slow, is not yet."""
        return (SEND_BYTES + self._taken_bytes) / max(now_s - self.since_s, 1e-3)

    def is_overdue(self, now_s: float) -> bool:
        """Whether it is taken more slowly than anybody may."""
        return 0 < self._due_s < now_s and self.since_s > 0

    def begin_again(self) -> None:
        """Do not count the time until now, when nobody has tried to send on."""
        self._due_s = time.monotonic() + SEND_S

    def send(self, sock: socket.socket, data: Any) -> None:
        """Send what the client takes at once, and keep the rest.

        Where the rest is too much for that, or all connections' is, the client is waited for.

        Raises:
            OSError: the connection broke, or its client is too slow.
        """
        rest = memoryview(data)
        self.begin_again()
        while True:
            self.go_on(sock)
            if not self._kept:
                rest = rest[self._send(sock, rest) :]
            if self._keep(rest):
                return
            if self.is_overdue(time.monotonic()):
                raise ConnectionResetError(errno.ECONNRESET, "the answer is not read")
            self.holds_thread = True
            writable = select.poll()
            writable.register(sock, select.POLLOUT)
            writable.poll(LOOK_EVERY_MS)
            self.holds_thread = False

    def go_on(self, sock: socket.socket) -> None:
        """Send of what is kept what the client takes at once.

        Raises:
            OSError: the connection broke.
        """
        if self._kept:
            sent_bytes = self._send(sock, self._kept)
            del self._kept[:sent_bytes]
            self._room.give(sent_bytes)
            if not self._kept:
                self.since_s = 0.0

    def close(self) -> None:
        """Let go of what is kept."""
        self._room.give(len(self._kept))
        self._kept.clear()
        self.since_s = 0.0

    def _send(self, sock: socket.socket, data: memoryview | bytearray) -> int:
        if not data:
            return 0
        try:
            sent_bytes = sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent_bytes = 0
        now_s = time.monotonic()
        if self.since_s:
            self._taken_bytes += sent_bytes
        elif sent_bytes < len(data):
            self.since_s, self._taken_bytes, self._next_bytes = now_s, 0, 0
        if self._taken_bytes >= self._next_bytes:
            self._next_bytes, self._due_s = self._taken_bytes + SEND_BYTES, now_s + SEND_S
        return sent_bytes

    def _keep(self, rest: memoryview) -> bool:
        if not rest:
            if not self._kept:
                self.since_s = 0.0
            return True
        if len(self._kept) + len(rest) > KEPT_MOST_BYTES:
            return False
        try:
            self._room.take(len(rest))
        except OSError:
            return False
        self._kept += rest
        return True
