"""A worker process says that it lives for as long as it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from settings import Settings
from store.database import Database
from tasks.worker import ALIVE, Worker
from tests.stack import until


def test_a_worker_lives_on_where_it_could_not_say_so_for_a_while(
    database_url: str, tmp_path: Path
) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    worker = Worker(
        Settings(home=home, heartbeat_s=0.05).model_copy(update={"database_url": database_url})
    )
    database = Database(database_url, size=1)

    def seen() -> list[dict[str, Any]]:
        return database.query("SELECT seen_at FROM workers WHERE name = %s", (worker.name,))

    worker.start_heartbeat()
    try:
        until((home / ALIVE).exists)
        home.rename(away)
        home.touch()  # so that there is no place for its file, as on a full disk
        for _ in range(2):
            before = seen()
            until(lambda before=before: seen() != before, 5)
    finally:
        worker.leave()
        database.close()
