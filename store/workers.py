"""Which workers are alive: each says so every few seconds."""

from __future__ import annotations

from typing import Any

from store.database import Database


class Workers:
    """The workers table. Every method raises ``StoreError`` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, name: str, lane: str, model_version: str, memory_mb: float) -> None:
        """Say that this worker is alive."""
        self._database.query(
            """
            INSERT INTO workers (name, lane, model_version, memory_mb) VALUES (%s, %s, %s, %s)
            ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp(),
                model_version = excluded.model_version, memory_mb = excluded.memory_mb
            """,
            (name, lane, model_version, memory_mb),
        )

    def leave(self, name: str) -> None:
        """Say that this worker ends."""
        self._database.query("DELETE FROM workers WHERE name = %s", (name,))

    def live(self, silent_for_s: float) -> list[dict[str, Any]]:
        """Return the workers heard of in the last ``silent_for_s``."""
        return self._database.query(
            """
            SELECT name, lane, model_version, memory_mb FROM workers
            WHERE seen_at > clock_timestamp() - make_interval(secs => %s) ORDER BY name
            """,
            (silent_for_s,),
        )

    def forget_old(self) -> None:
        """Forget the workers that died without a word, a day later."""
        self._database.query("DELETE FROM workers WHERE seen_at < now() - interval '1 day'")
