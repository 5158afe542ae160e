"""`skylane keys` for a database that only functions reach: by events of an operator's own.

``{"keys": "create", "name": "camera", "scopes": ["read"]}``, ``{"keys": "list"}``,
``{"keys": "revoke", "name": "camera"}`` (or an id as its name).
"""

from __future__ import annotations

from typing import Any

from store.database import Database
from store.keys import SCOPES, Key, Keys


def answer(event: dict[str, Any], database_url: str) -> dict[str, Any]:
    """Do what the event asks; a key that is made is in the answer, for the only time.

    Raises:
        ValueError: the event is none of the above.
        store.keys.NameTaken, store.keys.NoSuchKey: it is, and that cannot be done.
        StoreError: the database failed.
    """
    database = Database(database_url, size=1)
    try:
        table = Keys(database)
        if event["keys"] == "list":
            return {"keys": [_told(key) for key in table.all()]}
        name = event.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError("a name is missing")
        if event["keys"] == "revoke":
            return {"revoked": _told(table.revoke(name))}
        scopes = event.get("scopes", SCOPES)
        if event["keys"] != "create" or not scopes or not set(scopes) <= {*SCOPES}:
            raise ValueError(f"keys is create, list or revoke, and scopes are of {SCOPES}")
        return {"key": table.create(name, scopes).text}
    finally:
        database.close()


def _told(key: Key) -> dict[str, Any]:
    times = {
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
    return {
        "id": key.id,
        "name": key.name,
        "scopes": [*key.scopes],
        **{name: at.isoformat() if at else None for name, at in times.items()},
    }
