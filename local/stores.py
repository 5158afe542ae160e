"""Before anything starts: can the stores that settings name be what they are to be?"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local.errors import LocalError
from settings import Settings

BROKER_WITHIN_S = 2.0  # an attempt; redis makes a few


def check_broker(broker_url: str) -> None:
    """Check that a broker answers, which programs would wait for without an end.

    Raises:
        LocalError: none does; the message has no password in it.
    """
    from kombu.connection import Connection
    from kombu.exceptions import KombuError
    from redis.exceptions import RedisError

    times = {"socket_connect_timeout": BROKER_WITHIN_S, "socket_timeout": BROKER_WITHIN_S}
    try:
        with Connection(broker_url, transport_options=times) as connection:  # type: ignore[no-untyped-call]
            connection.connect()
    except ValueError:  # whose message has parts of the address, so maybe of a password
        why = "no such address (a password in it has to be percent-encoded)"
    except (OSError, KombuError, RedisError) as error:
        why = str(error).rstrip(".")
    else:
        return
    raise LocalError(f"BROKER_URL={_shown(broker_url)}: no broker answers there: {why}.")


def check_images(settings: Settings) -> None:
    """Check that a folder of images is one, or can be made.

    One that cannot be written to will do: a worker only reads, and an API answers what it can.

    Raises:
        LocalError: it cannot.
    """
    parts = urlsplit(settings.image_store_url)
    if parts.scheme != "file":
        return
    folder = Path(unquote(parts.path))
    # Not Path.exists, which fails at what it may not look at.
    there = next(one for one in (folder, *folder.parents) if os.path.exists(one))
    if not there.is_dir():
        why = f"{there} is no folder"
    elif there != folder and not os.access(there, os.W_OK | os.X_OK):
        why = f"{there} cannot be written to"
    else:
        return
    named = f"SKYLANE_IMAGES_URL={settings.images_url}"
    if not settings.images_url:
        named = f"SKYLANE_HOME={settings.home}"
    raise LocalError(f"{named}: no place for images: {why}.")


def _shown(url: str) -> str:
    """Return an address without the login and without the options that it has."""
    scheme, _, rest = url.partition("://")
    _, at, place = rest.rpartition("@")
    return f"{scheme}://{'…@' if at else ''}{place.partition('?')[0]}"
