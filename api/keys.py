"""Who may ask what: API keys, where they are required.

``X-API-Key: KEY``, or ``Authorization: Bearer KEY`` (RFC 6750). Reading takes the scope
``read``, everything else ``write``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Flask, g, request

from api.errors import Problem
from api.known_keys import KnownKeys
from settings import Settings, is_loopback
from store.database import Database
from store.keys import Key, Keys, MalformedKey, Secret

HEADER = "X-API-Key"
REALM = 'Bearer realm="skylane"'
READING = {"GET", "HEAD"}
# What a load balancer, a browser that has no key yet and whoever writes a client needs. Nothing
# of it comes from the stores, but for whether they answer.
PUBLIC = {"health.health", "health.ready", "config", "not_built"}
# A proxy adds one or another of these, and what it passes on comes from loopback too.
PROXIED = re.compile("X-Forwarded-.*|Forwarded|X-Real-IP|Via", re.IGNORECASE)
PUBLIC_BLUEPRINTS = {"openapi", "swagger"}  # what the API is, as its source says


def register(app: Flask, chosen: Settings, database: Database) -> None:
    """Answer only who may ask. After ``api.access``, whose log tells of the others too.

    Where no keys are required because only this machine is served, nobody else is.
    """
    if chosen.keys_required:
        known = KnownKeys(Keys(database))

        @app.before_request
        def _require_key() -> None:
            if not is_public():
                g.key = _permitted(known)
                sent = _sent()
                g.still_live = lambda: known.owner(sent) is not None

    elif chosen.access == "auto":

        @app.before_request
        def _require_this_machine() -> None:
            if is_public():
                return
            if not _from_here():
                raise Problem(
                    403,
                    "not_local",
                    "Without keys this API serves its own machine alone, by the name localhost or"
                    " an address of loopback, and through no proxy. SKYLANE_ACCESS=keys has it ask"
                    " for keys; SKYLANE_ACCESS=open has it serve whoever reaches it.",
                )
            if request.method not in READING and _of_a_foreign_page(chosen.cors_origins):
                raise Problem(
                    403,
                    "foreign_page",
                    "A page from elsewhere may change nothing here, whoever looks at it, unless"
                    " SKYLANE_CORS_ORIGINS has its origin.",
                )


def is_public() -> bool:
    """Return whether the present request is answered to everybody."""
    return (
        request.endpoint in PUBLIC
        or request.blueprint in PUBLIC_BLUEPRINTS
        or request.method == "OPTIONS"  # a browser's question before its request has no key
        or getattr(g, "on_metrics_port", False)
    )


def has_form_of_one(headers: Iterable[tuple[str, str]]) -> bool:
    """Return whether a request's headers have what may be a key. Asks no database."""
    for name, value in headers:
        if name.upper() in ("X-API-KEY", "AUTHORIZATION"):
            with suppress(MalformedKey):
                Secret.parse(value.strip().rpartition(" ")[2])
                return True
    return False


def asking() -> Key | None:
    """Return the key of the present request; ``None`` where none is required or was given."""
    key: Key | None = g.get("key")
    return key


def still_live() -> Callable[[], bool]:
    """Return what says whether the present request's key is live, for an answer that goes on.

    It raises ``StoreError`` where that cannot be known. True for ever where no key is needed.
    """
    asked: Callable[[], bool] = g.get("still_live", lambda: True)
    return asked


def _permitted(known: KnownKeys) -> Key:
    if not (text := _sent()):
        raise _unauthorized(
            "missing_key", f"A key is needed: {HEADER}: KEY, or Authorization: Bearer KEY.", REALM
        )
    if not (key := known.owner(text)):
        raise _unauthorized(
            "invalid_key",
            "This is no key, or it was revoked.",
            f'{REALM}, error="invalid_token"',
        )
    scope = "read" if request.method in READING else "write"
    if scope not in key.scopes:
        raise Problem(
            403,
            "insufficient_scope",
            f"This key may not {scope}.",
            headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
        )
    return key


def _unauthorized(code: str, detail: str, challenge: str) -> Problem:
    return Problem(401, code, detail, headers={"WWW-Authenticate": challenge})


def _sent() -> str:
    if key := request.headers.get(HEADER):
        return key.strip()
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _from_here() -> bool:
    """Return whether a request was made on this machine to this machine, as far as it tells.

    A page from anywhere can have its name resolve to 127.0.0.1 and so ask with the browser of
    whoever sits here; its name is in Host.
    """
    if any(PROXIED.fullmatch(name) for name, _ in request.headers):
        return False
    return _names_this_machine(request.host)


def _of_a_foreign_page(listed: str) -> bool:
    """Return whether a browser sent this for a page that is neither of this machine nor listed.

    Any page may send a form anywhere, and needs no leave for it as long as it does not ask for the
    answer. Browsers say whose it is by Origin; Sec-Fetch-Site is for where that is left out.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site") == "cross-site"
    if listed == "*" or origin in map(str.strip, listed.split(",")):
        return False
    return not _names_this_machine(origin.partition("://")[2])


@lru_cache(maxsize=100)
def _names_this_machine(host: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:  # brackets around what is no address
        return False
    return is_loopback(name) or name.endswith(".localhost")
