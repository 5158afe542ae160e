"""A lean HTTP/1.1 server: whole requests in, whole answers out, connections that stay open.

It shares the processors with what is measured. ``http.server`` reads headers by the e-mail
package's parser, which takes several times as long as all that is done here.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import BinaryIO, cast

MAX_LINE_BYTES = 65_536
MAX_HEADERS = 200
THROWN_AWAY_BYTES = 64 * 1024 * 1024  # of a body that is too large, so that its sender can read why
REASONS = {one.value: one.phrase for one in HTTPStatus}
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """A request with its body; the headers' names are in lower case."""

    method: str
    target: str
    protocol: str
    headers: Headers
    headers_bytes: int  # with the request line
    body: bytes
    client: str  # its address

    def header(self, name: str) -> str:
        """Return the first header of that name, or nothing."""
        return next((value for one, value in self.headers if one == name), "")


@dataclass(frozen=True)
class Response:
    """An answer. How long its body is, it says by itself."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Refused(Exception):
    """What came is no request that can be read: the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Server(ThreadingTCPServer):
    """Answers on a port of loopback, each connection on a thread. ``with`` it.

    ``answer`` is called with every request, on those threads. A body over ``max_body_bytes`` is
    refused with 413.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(
        self, port: int, answer: Callable[[Request], Response], max_body_bytes: int
    ) -> None:
        self.answer = answer
        self.max_body_bytes = max_body_bytes
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Connection)

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        with self._open_lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def opened(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(connection)

    def handle_error(self, *_: object) -> None:
        """Say nothing of a connection that was cut."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)  # type: ignore[arg-type]


class _Connection(StreamRequestHandler):
    # Headers and body in one packet, at once: else each answer waits for an acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle(self) -> None:
        server = cast(Server, self.server)
        server.opened(self.request)
        try:
            self._serve(server)
        finally:
            server.closed(self.request)

    def _serve(self, server: Server) -> None:
        stays = True
        while stays:
            try:
                request = self._read(server.max_body_bytes)
            except Refused as refused:
                self._write(Response(refused.status), head=False, stays=False)
                return
            if request is None:
                return
            asked = request.header("connection").lower()
            stays = asked != "close" and (request.protocol != "HTTP/1.0" or asked == "keep-alive")
            self._write(server.answer(request), head=request.method == "HEAD", stays=stays)

    def _read(self, max_body_bytes: int) -> Request | None:
        rfile = cast(BinaryIO, self.rfile)
        line = rfile.readline(MAX_LINE_BYTES)
        if not line:
            return None
        parts = line.decode("latin-1").split()
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise Refused(400)
        headers, size = _headers(rfile)
        found = dict(headers)
        if found.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        if "chunked" in found.get("transfer-encoding", ""):
            body = _chunks(rfile, max_body_bytes)
        else:
            body = _whole(rfile, found.get("content-length", "0"), max_body_bytes)
        return Request(
            parts[0], parts[1], parts[2], headers, len(line) + size, body, self.client_address[0]
        )

    def _write(self, response: Response, *, head: bool, stays: bool) -> None:
        lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, '')}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        if response.status != 204:
            lines.append(f"content-length: {len(response.body)}")
        if not stays:
            lines.append("connection: close")
        self.wfile.write("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n")
        if not head:
            self.wfile.write(response.body)
        self.wfile.flush()


def _headers(rfile: BinaryIO) -> tuple[list[tuple[str, str]], int]:
    headers: list[tuple[str, str]] = []
    size = 0
    while (line := rfile.readline(MAX_LINE_BYTES)) not in (b"\r\n", b"\n"):
        size += len(line)
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not line.endswith(b"\n"):
            raise Refused(400)
        headers.append((name.strip().lower(), value.strip()))
        if len(headers) > MAX_HEADERS:
            raise Refused(431)
    return headers, size


def _whole(rfile: BinaryIO, length: str, max_bytes: int) -> bytes:
    if not length.isdigit():
        raise Refused(400)
    left = int(length)
    if left > max_bytes:
        left = min(left, THROWN_AWAY_BYTES)
        while left and (thrown_away := rfile.read(min(left, 65_536))):
            left -= len(thrown_away)
        raise Refused(413)
    body = rfile.read(left) if left else b""
    if len(body) < left:
        raise ConnectionError("the body was cut off")
    return body


def _chunks(rfile: BinaryIO, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        try:
            size = int(rfile.readline(MAX_LINE_BYTES).split(b";")[0], 16)
        except ValueError:
            raise Refused(400) from None
        if size == 0:
            while rfile.readline(MAX_LINE_BYTES) not in (b"\r\n", b"\n", b""):
                pass  # trailers
            return b"".join(parts)
        total += size
        if total > max_bytes:
            raise Refused(413)
        parts.append(rfile.read(size))
        rfile.readline(MAX_LINE_BYTES)
