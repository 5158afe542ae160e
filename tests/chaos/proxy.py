"""A network between a worker and the broker that can go silent, be cut, and come back."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress

CHUNK_BYTES = 65536
LOOK_EVERY_S = 0.02


class Proxy:
    """Passes bytes between TCP and the broker's Unix socket. ``with`` it."""

    def __init__(self, broker_socket: str, host: str = "127.0.0.1") -> None:
        self._broker_socket = broker_socket
        self._listener = socket.create_server((host, 0))
        self.url = f"redis://{host}:{self._listener.getsockname()[1]}/0"
        self._silent = threading.Event()  # bytes are taken, and go nowhere
        self._refusing = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.close()
        self.reset()

    def go_silent(self) -> None:
        """Lose all bytes, of connections that stay open, and answer no new connection."""
        self._silent.set()

    def cut(self) -> None:
        """Reset all connections, and close new ones at once."""
        self._refusing.set()
        self.reset()

    def heal(self) -> None:
        """Be there again. What was lost is lost: its connections are no more."""
        was_silent = self._silent.is_set()
        self._refusing.clear()
        self._silent.clear()
        if was_silent:  # TCP would have sent again what it had; but a broker forgets who is silent
            self.reset()

    def reset(self) -> None:
        """Reset all connections there are."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                with suppress(OSError):
                    # Linger for no time: the other side gets RST and not an orderly end.
                    linger = b"\1\0\0\0\0\0\0\0"
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                one.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing.is_set():
                client.close()
                continue
            broker = socket.socket(socket.AF_UNIX)
            try:
                broker.connect(self._broker_socket)
            except OSError:
                client.close()
                broker.close()
                continue
            with self._lock:
                self._pairs.append((client, broker))
            threading.Thread(target=self._pass_on, args=[client, broker], daemon=True).start()

    def _pass_on(self, client: socket.socket, broker: socket.socket) -> None:
        other = {client: broker, broker: client}
        with selectors.DefaultSelector() as readable, suppress(OSError, ValueError, KeyError):
            for one in other:
                readable.register(one, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in readable.select(1):
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    data = source.recv(CHUNK_BYTES)
                    if not data:
                        return self._forget(client, broker)
                    if not self._silent.is_set():
                        other[source].sendall(data)
                if client.fileno() < 0:  # it was reset
                    break
        self._forget(client, broker)
        return None

    def _forget(self, client: socket.socket, broker: socket.socket) -> None:
        with self._lock, suppress(ValueError):
            self._pairs.remove((client, broker))
        client.close()
        broker.close()
