"""A small pool of PostgreSQL connections, bounded, reused, and re-opened when broken."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extras

from store.errors import Conflict, StoreError

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 15_000  # nothing here takes a second; a lock held for ever must end
CHECKOUT_TIMEOUT_S = 15
# A connection that idled longer is not used again: a Lambda environment is frozen between
# invocations, and the network drops what is silent for minutes without a word to either end.
IDLE_S = 60


def connect(url: str) -> psycopg2.extensions.connection:
    """Open one autocommit connection that notices a dead peer.

    Raises:
        StoreError: the server cannot be reached.
    """
    connection = open_connection(
        url,
        options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c jit=off",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=STATEMENT_TIMEOUT_MS,  # for a server that no longer answers
        application_name="skylane",
    )
    connection.autocommit = True
    return connection


def open_connection(url: str, **options: Any) -> psycopg2.extensions.connection:
    """Open a connection.

    Raises:
        StoreError: the server cannot be reached. Its message has no password in it.
    """
    try:
        return psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT_S, **options)
    except psycopg2.Error as error:
        told = str(error).strip()
        # libpq repeats what it cannot read, and what it takes for a port or a host: in an address
        # whose password has an @ or a / in it, part of that.
        if isinstance(error, psycopg2.ProgrammingError) or "@" in told or "invalid" in told:
            raise StoreError("database: DATABASE_URL is no address as libpq reads it") from None
        raise StoreError(f"database: {told}") from error


class Database:
    """Hands out connections, at most ``size`` at once; who comes next waits for one."""

    def __init__(self, url: str, size: int = 8) -> None:
        self._url = url
        self._idle: list[tuple[psycopg2.extensions.connection, float]] = []  # and since when
        self._size = size
        self._in_use: list[object] = []  # a list, because it grows and shrinks atomically
        self._places = threading.BoundedSemaphore(size)

    @property
    def used(self) -> tuple[int, int]:
        """How many connections are at work now, and how many may be."""
        return len(self._in_use), self._size

    def query(self, sql: str, parameters: Any = None) -> list[dict[str, Any]]:
        """Run one statement in its own transaction and return its rows as dictionaries.

        Raises:
            StoreError: the server cannot be reached, or failed the statement.
        """
        with self._cursor() as cursor:
            cursor.execute(sql, parameters)
            return _rows(cursor, cursor.fetchall()) if cursor.description else []

    def insert_many(self, sql: str, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Run one ``INSERT … VALUES %s RETURNING …`` over all rows, in one statement.

        Raises:
            Conflict: a row is there already, or two transactions waited for each other.
            StoreError: anything else that ``query`` may meet.
        """
        with self._cursor() as cursor:
            fetched = psycopg2.extras.execute_values(
                cursor, sql, rows, page_size=max(1, len(rows)), fetch=True
            )
            return _rows(cursor, fetched)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[0].close()

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        if not self._places.acquire(timeout=CHECKOUT_TIMEOUT_S):
            raise StoreError("database: all connections are in use")
        self._in_use.append(None)
        try:
            connection = self._take()
            try:
                with connection.cursor() as cursor:
                    yield cursor
            except (psycopg2.errors.DeadlockDetected, psycopg2.errors.UniqueViolation) as error:
                raise Conflict(f"database: {error}".strip()) from error
            except psycopg2.Error as error:
                raise StoreError(f"database: {error}".strip()) from error
            finally:
                # A statement that failed leaves a good connection (autocommit); one that
                # was cut off leaves a closed one, which is dropped and not handed out again.
                if connection.closed:
                    self._drop_idle()
                else:
                    # By the wall clock: the others may stand still while an environment is frozen.
                    self._idle.append((connection, time.time()))
        finally:
            self._in_use.pop()
            self._places.release()

    def _take(self) -> psycopg2.extensions.connection:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            if not 0 <= time.time() - since <= IDLE_S:
                connection.close()
                continue
            # A server says nothing on an idle connection until it ends it, so one with
            # something to read is dead: a restart costs no request.
            idle = select.poll()  # not select(), which fails beyond 1,024 open files
            idle.register(connection, select.POLLIN)
            if not idle.poll(0):
                return connection
            connection.close()
        return connect(self._url)

    def _drop_idle(self) -> None:
        # When one connection breaks the server has gone, and so have the idle ones: without
        # this each of them would fail one more request after the server is back.
        self.close()


def _rows(cursor: Any, fetched: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in fetched]
