"""Bring the database's schema up to date: the files of ``schema/``, in order, once each."""

from __future__ import annotations

from pathlib import Path

import psycopg2

from store.database import open_connection
from store.errors import StoreError

SCHEMA = Path(__file__).parent / "schema"
# Any fixed number: whoever migrates holds this lock, so two that start together take turns.
# It goes with the session, so one that was killed leaves nothing to clear up.
LOCK_ID = 5_791_027


def migrate(database_url: str) -> list[str]:
    """Apply what is missing and return the names applied now.

    Each file is applied in one transaction with the note that it was.

    Raises:
        StoreError: the database cannot be reached, or refuses a file.
    """
    applied_now = []
    try:
        connection = open_connection(database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
                cursor.execute(
                    "CREATE TABLE IF NOT EXISTS schema_migrations ("
                    " name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
                )
            for path in sorted(SCHEMA.glob("*.sql")):
                with connection, connection.cursor() as cursor:
                    cursor.execute("SELECT 1 FROM schema_migrations WHERE name = %s", (path.name,))
                    if cursor.fetchone():
                        continue
                    cursor.execute(path.read_text())
                    cursor.execute("INSERT INTO schema_migrations VALUES (%s)", (path.name,))
                    applied_now.append(path.name)
        finally:
            connection.close()
    except (psycopg2.Error, StoreError) as error:
        raise StoreError(f"migration failed: {error}") from error
    return applied_now
