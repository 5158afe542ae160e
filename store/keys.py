"""API keys: made, stored as hashes, looked up by id, revoked.

A key is ``skl_``, 12 letters and digits that are its id, and 44 that are its secret: all of it
one word, which people can mark by a click and scanners can find where it should not be. The
secret is random, of 262 bits. So its hash is a plain SHA-256: a slow one makes guessing dear,
and here there is nothing that could be guessed, while every request would pay for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg2

from store.database import Database

SCOPES = ("read", "write")
PREFIX = "skl_"
ID_CHARS, SECRET_CHARS = 12, 44
ALPHABET = string.ascii_letters + string.digits
FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{ID_CHARS}}})([0-9A-Za-z]{{{SECRET_CHARS}}})", re.ASCII)
INITIAL = "initial"  # the name of the key that a deployment begins with
COLUMNS = "id, name, scopes, rate_limit, created_at, last_used_at, revoked_at"


class MalformedKey(ValueError):
    """Something that is no key at all. The message does not repeat it."""


class NameTaken(Exception):
    """Another key that is not revoked has this name."""


class NoSuchKey(LookupError):
    """No key that is not revoked has this name or id."""


@dataclass(frozen=True)
class Secret:
    """A whole key, as its owner has it. Its text is not in what it looks like."""

    id: str
    _secret: str

    @classmethod
    def new(cls) -> Secret:
        """Make one up."""
        text = "".join(secrets.choice(ALPHABET) for _ in range(ID_CHARS + SECRET_CHARS))
        return cls(text[:ID_CHARS], text[ID_CHARS:])

    @classmethod
    def parse(cls, text: str) -> Secret:
        """Read one.

        Raises:
            MalformedKey: it is none.
        """
        if not (found := FORM.fullmatch(text)):
            raise MalformedKey(f"a key is {PREFIX} and {ID_CHARS + SECRET_CHARS} letters or digits")
        return cls(*found.groups())

    @property
    def text(self) -> str:
        """The key as it is shown once, and sent with requests."""
        return f"{PREFIX}{self.id}{self._secret}"

    @property
    def sha256(self) -> bytes:
        """What is stored of it."""
        return hashlib.sha256(self._secret.encode()).digest()

    def __repr__(self) -> str:
        """Return what may stand in a log."""
        return f"Secret({self.id!r}, …)"


@dataclass(frozen=True)
class Key:
    """A key as it is stored."""

    id: str
    name: str
    scopes: tuple[str, ...]
    rate_limit: str | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    secret_sha256: bytes = field(default=b"", repr=False)

    def is_of(self, secret: Secret) -> bool:
        """Return whether ``secret`` is this key's, in a time that tells nothing of it."""
        return hmac.compare_digest(self.secret_sha256, secret.sha256)


class Keys:
    """The table of keys. Every method raises ``StoreError`` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        scopes: Sequence[str] = SCOPES,
        rate_limit: str | None = None,
        secret: Secret | None = None,
    ) -> Secret:
        """Store a key, and return what its owner needs: nobody can ever have it from here again.

        Raises:
            NameTaken: a live key has this name.
        """
        secret = secret or Secret.new()
        if not self._insert(secret, name, scopes, rate_limit):
            raise NameTaken(name)
        return secret

    def adopt(self, secret: Secret) -> bool:
        """Store the key that a deployment begins with; return whether that is new.

        One that was stored before stays what it is by now: revoked, say.
        """
        # The second name is for where another was stored before, and is live.
        return any(
            self._insert(secret, name, SCOPES, None) for name in (INITIAL, f"{INITIAL}-{secret.id}")
        )

    def find(self, key_id: str) -> Key | None:
        """Return a key that is not revoked, with the hash of its secret."""
        rows = self._database.query(
            f"SELECT {COLUMNS}, secret_sha256 FROM api_keys WHERE id = %s AND revoked_at IS NULL",
            (key_id,),
        )
        return _key(rows[0]) if rows else None

    def touch(self, key_id: str) -> None:
        """Note that a key was used, if the last note is a minute old."""
        self._database.query(
            """
            UPDATE api_keys SET last_used_at = clock_timestamp() WHERE id = %s AND
                (last_used_at < clock_timestamp() - interval '1 minute' OR last_used_at IS NULL)
            """,
            (key_id,),
        )

    def all(self) -> list[Key]:
        """Return every key there ever was, oldest first."""
        rows = self._database.query(f"SELECT {COLUMNS} FROM api_keys ORDER BY created_at, id")
        return [_key(row) for row in rows]

    def any_live(self) -> bool:
        """Return whether there is a key that is not revoked."""
        rows = self._database.query("SELECT 1 FROM api_keys WHERE revoked_at IS NULL LIMIT 1")
        return bool(rows)

    def revoke(self, name_or_id: str) -> Key:
        """Revoke a live key for good. A name goes before an id, should one be both.

        Raises:
            NoSuchKey: none is called so.
        """
        rows = self._database.query(
            f"""
            UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = (
                SELECT id FROM api_keys
                WHERE revoked_at IS NULL AND (name = %(asked)s OR id = %(asked)s)
                ORDER BY name = %(asked)s DESC LIMIT 1)
            RETURNING {COLUMNS}
            """,
            {"asked": name_or_id},
        )
        if not rows:
            raise NoSuchKey(name_or_id)
        return _key(rows[0])

    def _insert(
        self,
        secret: Secret,
        name: str,
        scopes: Sequence[str],
        rate_limit: str | None,
    ) -> bool:
        rows = self._database.query(
            """
            INSERT INTO api_keys (id, name, secret_sha256, scopes, rate_limit)
            VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
            """,
            (secret.id, name, psycopg2.Binary(secret.sha256), [*scopes], rate_limit),
        )
        return bool(rows)


def adopt_initial(database_url: str, text: str) -> bool:
    """Store the key ``text`` if it is one and is not stored yet; return whether it is new.

    Raises:
        MalformedKey: it is no key.
        StoreError: the database failed.
    """
    if not text:
        return False
    database = Database(database_url, size=1)
    try:
        return Keys(database).adopt(Secret.parse(text))
    finally:
        database.close()


def _key(row: dict[str, Any]) -> Key:
    stored = bytes(row.get("secret_sha256", b""))
    return Key(**{**row, "scopes": tuple(row["scopes"]), "secret_sha256": stored})
