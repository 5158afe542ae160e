"""Before anything listens where others reach it: is there a key, is there a password?"""

from __future__ import annotations

import os

from local.errors import LocalError
from local.ports import bracketed
from settings import Settings, is_loopback, require_logins
from store.database import Database
from store.errors import StoreError
from store.keys import Keys, MalformedKey, adopt_initial

OPEN = "SKYLANE_ACCESS=open serves whoever reaches it."
FLOWERS_OWN = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH")  # its own variables: passwords, OAuth


def check_api(settings: Settings, database_url: str) -> str:
    """Return a warning, or "", for an API that may start.

    A database that does not answer is no reason to refuse: without it nobody is let in either.

    Raises:
        LocalError: it asks for keys, and there are none.
    """
    where = f"{bracketed(settings.host)}:{settings.api_port}"
    if not settings.keys_required:
        public = not is_loopback(settings.host)
        return f"no keys: whoever reaches {where} may use the API" if public else ""
    database = Database(database_url, size=1)
    try:
        some = Keys(database).any_live()
    except StoreError as error:
        return f"whether there is a key is not known yet: {error}"
    finally:
        database.close()
    if not some:
        raise LocalError(
            f"The API would ask everybody for a key on {where}, and there is none."
            f" Make one: `skylane keys create NAME`. Or {OPEN}"
        )
    return ""


def check_flower(settings: Settings) -> None:
    """Check that Flower, which shows and controls workers, has a password where others reach it.

    Raises:
        LocalError: it has none, or one by Flower's own variable that is none.
    """
    if own := os.environ.get("FLOWER_BASIC_AUTH"):
        try:
            require_logins(own)
        except ValueError as error:
            raise LocalError(f"FLOWER_BASIC_AUTH {error}.") from error
    if is_loopback(settings.flower_host) or settings.access == "open":
        return
    if settings.flower_basic_auth or any(os.environ.get(name) for name in FLOWERS_OWN):
        return
    raise LocalError(
        f"Flower would be on {bracketed(settings.flower_host)}:{settings.flower_port} without a"
        f" password. Give it one: SKYLANE_FLOWER_BASIC_AUTH=USER:PASSWORD. Or {OPEN}"
    )


def store_initial_key(settings: Settings, database_url: str) -> None:
    """Store ``SKYLANE_INITIAL_KEY``, if there is one and it never was.

    Raises:
        LocalError: it is no key.
        StoreError: the database failed.
    """
    try:
        adopt_initial(database_url, settings.initial_key)
    except MalformedKey as error:
        raise LocalError(f"SKYLANE_INITIAL_KEY: {error}; `skylane init` makes one") from error
