"""How long an on-prem worker takes from its process' start to work, and for its first images."""

from __future__ import annotations

import os
import subprocess
import time
from itertools import cycle
from pathlib import Path

from flask.testing import FlaskClient

from bench.raw import TILES
from local import programs
from local.stack import embedded
from settings import Settings
from store.migrations import migrate

LIMIT_S = 60.0
LOOK_EVERY_S = 0.005


def worker_starts(
    folder: Path, starts: int, warm: int
) -> tuple[list[float], list[float], list[float]]:
    """Start a worker ``starts`` times and send each 1 + ``warm`` images, one after the other.

    Returns:
        The times until each could take work, of the first images, and of the others, in ms;
        an image's from accepted to committed.
    """
    tiles = cycle([path.read_bytes() for path in sorted(TILES.glob("*/*.jpg"))])
    inits_ms, firsts_ms, warm_ms = [], [], []
    with embedded(Settings(home=folder)) as (database_url, broker_url):
        migrate(database_url)
        os.environ |= {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "SKYLANE_HOME": str(folder),
        }
        from api import create_app  # settings are read once, and these are ours

        client = create_app().test_client()
        for _ in range(starts):
            started = time.perf_counter()
            worker = subprocess.Popen(programs.worker(Settings()))
            try:
                _until_ready(client, True)
                inits_ms.append((time.perf_counter() - started) * 1000)
                firsts_ms.append(_latency_ms(client, next(tiles)))
                warm_ms += [_latency_ms(client, next(tiles)) for _ in range(warm)]
            finally:
                worker.terminate()
                worker.wait(LIMIT_S)
            _until_ready(client, False)
    return inits_ms, firsts_ms, warm_ms


def _until_ready(client: FlaskClient, wanted: bool) -> None:
    deadline = time.monotonic() + LIMIT_S
    while (client.get("/ready").status_code == 200) is not wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"ready is not {wanted} after {LIMIT_S:.0f} s")
        time.sleep(LOOK_EVERY_S)


def _latency_ms(client: FlaskClient, tile: bytes) -> float:
    answer = client.post("/upload?wait=60", data=tile, content_type="image/jpeg")
    assert answer.status_code == 200, answer.text
    return float(answer.get_json()["latency_ms"])
