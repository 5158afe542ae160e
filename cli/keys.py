"""`skylane keys`: who may use the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from cli.environment import environment

if TYPE_CHECKING:
    from store.keys import Keys

LIMIT = re.compile(r"[1-9]\d*/(second|minute|hour|day)")
REVOKED_WITHIN_S = 10  # api/known_keys.py's bound


@click.group()
def keys() -> None:
    """Make, list and revoke API keys: of DATABASE_URL, or of what ./run keeps in SKYLANE_HOME."""


@contextmanager
def _table() -> Iterator[Keys]:
    """Open the table of keys, and tell what goes wrong in a line."""
    chosen = environment()
    from local.errors import LocalError
    from local.stack import database_of
    from store.database import Database
    from store.errors import StoreError
    from store.keys import Keys

    try:
        with database_of(chosen) as address:
            database = Database(address, size=1)
            try:
                yield Keys(database)
            finally:
                database.close()
    except StoreError as error:
        text = str(error)
        if '"api_keys" does not exist' in text:
            text = "this database has no table of keys yet: `skylane migrate` makes it"
        raise click.ClickException(text) from error
    except LocalError as error:
        raise click.ClickException(str(error)) from error


def _name(_: Any, __: Any, text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > 100:
        raise click.BadParameter("up to 100 characters that can be printed")
    return text.strip()


def _rate_limit(_: Any, __: Any, text: str | None) -> str | None:
    if text is not None and not LIMIT.fullmatch(text):
        raise click.BadParameter("a number a time: 600/minute, 10/second, …/hour, …/day")
    return text


@keys.command()
@click.argument("name", callback=_name)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write"]),
    help="read: GET; write: uploads, and deleting. May be given twice. Default: both.",
)
@click.option(
    "--rate-limit",
    callback=_rate_limit,
    metavar="N/UNIT",
    help="Requests, 600/minute say, in place of SKYLANE_RATE_LIMIT.",
)
def create(name: str, scopes: tuple[str, ...], rate_limit: str | None) -> None:
    """Make a key called NAME and print it, for the only time: what is kept is its hash."""
    from store.keys import SCOPES, NameTaken

    chosen = [one for one in SCOPES if one in scopes] or [*SCOPES]
    with _table() as table:
        try:
            secret = table.create(name, chosen, rate_limit)
        except NameTaken as error:
            raise click.ClickException(f"there is a key called {name} already") from error
    # Alone on stdout: KEY=$(skylane keys create NAME)
    click.echo(secret.text)
    click.echo(f"key {secret.id}, {name}: {', '.join(chosen)}. It is not shown again.", err=True)


@keys.command("list")
@click.option("--all", "revoked", is_flag=True, help="Those that were revoked, too.")
def list_(revoked: bool) -> None:
    """List keys: ids, names, scopes, and when they were last used, to a minute."""
    from rich.console import Console
    from rich.table import Table

    with _table() as table:
        found = [key for key in table.all() if revoked or key.revoked_at is None]
    columns = ["ID", "NAME", "SCOPES", "RATE LIMIT", "CREATED", "LAST USED", "REVOKED"]
    shown = Table(*(columns if revoked else columns[:-1]), box=None, padding=(0, 2, 0, 0))
    for key in found:
        times = [key.created_at, key.last_used_at, *([key.revoked_at] if revoked else [])]
        told = [f"{one.astimezone():%Y-%m-%d %H:%M}" if one else "–" for one in times]
        shown.add_row(key.id, key.name, " ".join(key.scopes), key.rate_limit or "–", *told)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200
    console.print(shown if found else "there are no keys")


@keys.command()
@click.argument("name_or_id", metavar="NAME|ID")
def revoke(name_or_id: str) -> None:
    """Revoke a key for good. Within ten seconds no API takes it any more."""
    from store.keys import NoSuchKey

    with _table() as table:
        try:
            key = table.revoke(name_or_id)
        except NoSuchKey as error:
            raise click.ClickException(f"no live key is called {name_or_id}") from error
    click.echo(f"revoked {key.id}, {key.name}: refused everywhere in {REVOKED_WITHIN_S} s")


COMMANDS = (keys,)
