"""What has arrived of a connection's next request, and whether that is all of it."""

from __future__ import annotations

import errno
import os
import re
import socket
import threading
from tempfile import SpooledTemporaryFile

from gunicorn.http.body import LengthReader
from gunicorn.http.unreader import Unreader

RECEIVE_BYTES = 64 * 1024
AT_ONCE_BYTES = 1024 * 1024  # of one connection, until the others have their turn
IN_MEMORY_BYTES = 1024 * 1024  # of a request; what is more lies in a file
HEAD_MOST_BYTES = 64 * 1024
PARSED_BYTES = 8 * 1024  # given to the parser at once, while it looks for the end of the head
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]+")
END_OF_HEAD = b"\r\n\r\n"


class Room:
    """What all connections of a process may hold together of requests that have come.

    It counts from a byte's arrival until its spool is rid of it, whoever has the connection.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self._lock = threading.Lock()

    def take(self, wanted_bytes: int) -> None:
        """Count bytes that come.

        Raises:
            OSError: (ENOSPC) that would be more than there may be.
        """
        with self._lock:
            if self.held_bytes + wanted_bytes > self.most_bytes:
                raise OSError(errno.ENOSPC, f"requests hold {self.held_bytes} bytes already")
            self.held_bytes += wanted_bytes

    def give(self, freed_bytes: int) -> None:
        """Count them no longer."""
        with self._lock:
            self.held_bytes -= freed_bytes


class Arrival(Unreader):
    """The bytes that came. Gunicorn's parser reads here, and so it never waits for a client."""

    def __init__(self, body_most_bytes: int, room: Room) -> None:
        super().__init__()
        self._body_most_bytes = body_most_bytes
        self._room = room
        self.held_bytes = 0  # in the spool
        self._begin(b"")

    def _begin(self, data: bytes) -> None:
        self._spool = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115  (closed by close)
        self.came_bytes = self._read_bytes = 0
        self._dropped_bytes = 0  # of what was read: no longer in the spool
        self.ended = False  # the client sends no more
        self.has_head = False
        self._all_here = False
        self._tail = b""
        self._chunks: _Chunks | None = None
        self._add(data)

    def begin_next(self) -> None:
        """Be the connection's next request: what came behind this one is the first of it."""
        ended, rest = self.ended, self.take_buffered()
        while data := self.chunk():
            rest += data
        self.close()
        self._begin(rest)
        self.ended = ended

    def close(self) -> None:
        """Let go of what came."""
        self._spool.close()
        self._room.give(self.held_bytes)
        self.held_bytes = 0

    def take(self, sock: socket.socket) -> None:
        """Take what is there, without waiting for more. Leaves the socket non-blocking.

        Raises:
            OSError: the connection broke, or there is no room for what came.
        """
        sock.setblocking(False)
        taken = 0
        while taken < AT_ONCE_BYTES:
            try:
                data = sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            self.ended = not data
            self._add(data)
            taken += len(data)
            if len(data) < RECEIVE_BYTES:  # there was no more
                return

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return what is next, for gunicorn's parser; nothing where no more came."""
        self._spool.seek(self._read_bytes - self._dropped_bytes)
        # No more than a piece: what is asked for is the rest of the body at times, and what is
        # not needed yet is copied with each reading.
        most_bytes = RECEIVE_BYTES if self._all_here else PARSED_BYTES
        data = self._spool.read(min(size_hint or most_bytes, most_bytes))
        self._read_bytes += len(data)
        if self._all_here:
            self._drop_what_was_read()
        return data

    def _drop_what_was_read(self) -> None:
        """Keep next to nothing of a body while its answer is waited for: a minute, at times.

        Once all is read, or so little is left that to move it is cheap: what is left in the end
        came behind the body, and is not read until the answer is sent.
        """
        read_bytes = self._read_bytes - self._dropped_bytes
        left_bytes = self.held_bytes - read_bytes
        dear = left_bytes > min(AT_ONCE_BYTES, read_bytes) or read_bytes < RECEIVE_BYTES
        if left_bytes and dear:
            return
        rest = self._spool.read() if left_bytes else b""
        self._spool.seek(0)
        self._spool.truncate()
        self._spool.write(rest)
        self._dropped_bytes = self._read_bytes
        self._room.give(read_bytes)
        self.held_bytes = left_bytes

    def is_whole(self, reader: object) -> bool:
        """Whether the body that ``reader`` will read has come, to its last byte.

        What is read from then on is dropped.
        """
        if isinstance(reader, LengthReader):
            self._all_here = self._unread_bytes >= int(reader.length)
            return self._all_here
        if self._chunks is None:
            self._chunks = _Chunks()
            self._chunks.feed(self.buf.getvalue())
            self._spool.seek(self._read_bytes)
            while data := self._spool.read(AT_ONCE_BYTES):
                self._chunks.feed(data)
        self._all_here = self._chunks.ended
        return self._all_here

    def is_hopeless(self, reader: object) -> bool:
        """Whether the body will not come, or is more than anybody may send."""
        if isinstance(reader, LengthReader) and reader.length > self._body_most_bytes:
            return True
        return self.ended or self._unread_bytes > self._body_most_bytes + HEAD_MOST_BYTES

    @property
    def _unread_bytes(self) -> int:
        return len(self.buf.getbuffer()) + self.came_bytes - self._read_bytes

    def _add(self, data: bytes) -> None:
        if not data:
            return
        self._room.take(len(data))
        self.held_bytes += len(data)
        self._spool.seek(0, os.SEEK_END)
        self._spool.write(data)
        self.came_bytes += len(data)
        if not self.has_head:
            seen = self._tail + data
            self.has_head = END_OF_HEAD in seen
            self._tail = seen[-len(END_OF_HEAD) + 1 :]
        elif self._chunks:
            self._chunks.feed(data)


class _Chunks:
    """Follows a chunked body to its end (RFC 9112, 7.1).

    What is malformed ends it too: the parser that reads it will say what is wrong.
    """

    def __init__(self) -> None:
        self.ended = False
        self._skip_bytes = 0  # of a chunk, and of the line's end behind it
        self._line = b""
        self._in_trailers = False

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self.ended:
            if self._skip_bytes:
                step = min(self._skip_bytes, len(data) - at)
                self._skip_bytes -= step
                at += step
                continue
            end = data.find(b"\n", at)
            self._line += data[at : end if end >= 0 else len(data)]
            if end < 0:
                self.ended = len(self._line) > HEAD_MOST_BYTES
                return
            at = end + 1
            self._on_line(self._line.strip())
            self._line = b""

    def _on_line(self, line: bytes) -> None:
        if self._in_trailers:
            self.ended = not line
            return
        digits = line.partition(b";")[0].rstrip()
        size = int(digits, 16) if CHUNK_SIZE.fullmatch(digits) else -1
        self.ended = size < 0
        self._in_trailers = size == 0
        self._skip_bytes = max(0, size) + 2 if size > 0 else 0
