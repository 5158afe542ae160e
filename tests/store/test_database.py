"""A pool hands out connections that work."""

from __future__ import annotations

import time

import pytest

from store.database import IDLE_S, Database


def backend(database: Database) -> int:
    [row] = database.query("SELECT pg_backend_pid() AS pid")
    return int(row["pid"])


def test_a_connection_is_used_again(database: Database) -> None:
    assert backend(database) == backend(database)


def test_one_that_idled_for_long_is_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = backend(database)
    now = time.time()
    # Frozen for a while, as a Lambda environment is; and once with a clock that was set back.
    for later in (IDLE_S + 1, -10.0):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        after = backend(database)
        assert after != before
        before = after


def test_it_knows_how_many_are_at_work(database: Database) -> None:
    assert database.used == (0, 8)
    with database._cursor():
        assert database.used == (1, 8)
    assert database.used == (0, 8)
