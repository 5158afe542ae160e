"""What listens where: a port that must be free, a page that must answer."""

from __future__ import annotations

import errno
import http.client
import socket
from contextlib import ExitStack

from local.errors import LocalError
from settings import Settings

LAST_PORT = 65535
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104

OTHER_PORT_HELPS = (errno.EADDRINUSE, errno.EACCES)  # and not another address
OUR_ADDRESS = "Give an address of this machine, such as 127.0.0.1 or 0.0.0.0."


def require_free(**wanted: tuple[str, int]) -> None:
    """Check that each ``setting=(host, port)`` can be listened on, and all at once.

    Raises:
        LocalError: one cannot; the message names its setting and a port that is free, or the
            setting of the host where none of its ports can be.
    """
    with ExitStack() as open_sockets:
        for setting, (host, port) in wanted.items():
            try:
                open_sockets.enter_context(_listen(host, port))
            except OSError as error:
                reason = str(error.strerror).split(" (", maxsplit=1)[0]
                if error.errno not in OTHER_PORT_HELPS:
                    raise LocalError(_wrong_host(setting, host, reason)) from error
                raise LocalError(
                    f"Cannot listen on port {port} of {host}: {reason}. "
                    f"Choose another: SKYLANE_{setting.upper()}={_next_free(host, port)}"
                ) from error
            except UnicodeError as error:  # a name that no look-up takes
                raise LocalError(_wrong_host(setting, host, "no name of a host")) from error


def metrics_port(settings: Settings) -> dict[str, tuple[str, int]]:
    """Return, for ``require_free``, what a program listens on for Prometheus, if it does."""
    where = (settings.metrics_host, settings.metrics_port)
    return {"metrics_port": where} if settings.metrics_port else {}


def free_ports(n: int) -> list[int]:
    """Return ``n`` different loopback ports that nothing listens on."""
    with ExitStack() as probes:
        return [
            probes.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            for _ in range(n)
        ]


def answers(host: str, port: int, path: str) -> bool:
    """Say whether a web server answers this path with status 200."""
    # Not urllib, which would ask a proxy named in the environment.
    connection = http.client.HTTPConnection(reachable(host), port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reachable(host: str) -> str:
    """Return the address to call for a server that listens on ``host``."""
    return EVERY_ADDRESS.get(host, host)


def bracketed(host: str) -> str:
    """Return ``host`` as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _wrong_host(setting: str, host: str, reason: str) -> str:
    variable = "SKYLANE_" + {"api_port": "HOST"}.get(
        setting, setting.upper().replace("PORT", "HOST")
    )
    hint = "Write it without brackets." if host.startswith("[") else OUR_ADDRESS
    return f"{variable}={host}: cannot listen there: {reason}. {hint}"


def _next_free(host: str, port: int) -> int:
    for candidate in range(port + 1, LAST_PORT + 1):
        try:
            _listen(host, candidate).close()
        except OSError as error:
            if error.errno not in OTHER_PORT_HELPS:
                break
        else:
            return candidate
    return LAST_PORT
