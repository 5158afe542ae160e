"""kombu's Redis transport, of which a lost connection ends no worker."""

from __future__ import annotations

from typing import Any

from kombu import transport
from kombu.transport.redis import Channel, Transport
from redis.exceptions import ConnectionError


class LostChannel(Channel):
    """Says of a connection that was given up what it is: lost.

    A worker whose broker dies takes down the transport, and then has its channel give back what
    was in hand; and its threads acknowledge what they finish afterwards. kombu (5.7) looks up the
    address for that where there is none any more. That is an ``AttributeError``, which nobody
    expects, and which ends the worker. A lost connection is expected everywhere: the messages stay
    with the broker, if it lives.
    """

    def _connparams(self, *arguments: Any, **named: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("this connection was given up")
        return super()._connparams(*arguments, **named)  # type: ignore[no-untyped-call]


class LastingTransport(Transport):
    """Has such channels."""

    Channel = LostChannel


def use() -> None:
    """Have kombu take this transport for all addresses of Redis in this process."""
    for scheme in ("redis", "rediss"):
        transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{LastingTransport.__name__}"
