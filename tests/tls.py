"""TLS in front of a real server, for the wheels' servers are built without it.

It stands where a server's own TLS would: the certificate, the handshake and, of PostgreSQL, the
question before it are real, and so is what our programs do with them.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trustme

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104  # of PostgreSQL's protocol, in place of a version
CHUNK_BYTES = 65536


@contextmanager
def tls_front(upstream: str, authority: trustme.CA, *, postgres: bool = False) -> Iterator[int]:
    """Give a port that speaks TLS as "localhost", before the Unix socket ``upstream``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def meet(plain: socket.socket) -> None:
        with suppress(OSError), plain:
            if postgres and not _wants_tls(plain):
                return
            with (
                context.wrap_socket(plain, server_side=True) as client,
                socket.socket(socket.AF_UNIX) as server,
            ):
                server.connect(upstream)
                back = threading.Thread(target=_pass_on, args=[server, client], daemon=True)
                back.start()
                _pass_on(client, server)
                back.join()

    def serve() -> None:
        with suppress(OSError):  # closed, at the end
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=meet, args=[connection], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _wants_tls(client: socket.socket) -> bool:
    while True:
        _, code = struct.unpack("!II", client.recv(8, socket.MSG_WAITALL))
        if code == SSL_REQUEST:
            client.sendall(b"S")
            return True
        if code != GSS_REQUEST:
            return False  # without encryption nobody is let in
        client.sendall(b"N")


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
