"""Throughput by the number of worker containers, on a real Docker Engine.

    python -m bench.containers --workers 1 2 4 --cpus 0.25

Each number is brought up anew by compose.yaml and gets the same tiles, in batches of 50 that nobody
waits for; images/s are from the first one accepted to the last one committed, by the database's
clock. All containers share this machine, so ``--cpus`` times the most workers should leave it some.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path

import requests

from bench.compose import Project
from bench.raw import TILES
from local.interrupts import interruptible

CONNECTIONS, TOGETHER = 4, 50
GIVE_UP_S = 300


@interruptible()
def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--cpus", type=float, default=0.25, help="of each worker")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    figures: dict[int, list[float]] = {workers: [] for workers in chosen.workers}
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), "skylane-bench", WORKER_CPUS=str(chosen.cpus))
        try:
            for _ in range(chosen.rounds):  # in turns, so that all meet the same noise
                for workers in chosen.workers:
                    project.compose("up", "--detach", "--wait", f"--scale=worker={workers}")
                    images_per_s(project, 2 * TOGETHER * workers)  # a first batch for each
                    figures[workers].append(round(images_per_s(project, chosen.images), 1))
        finally:
            project.compose("down", "--volumes", "--timeout=10")
    print(json.dumps({"cores": os.cpu_count(), "cpus": chosen.cpus, "images_per_s": figures}))


def images_per_s(project: Project, n: int) -> float:
    """Send ``n`` tiles and return how many were finished a second."""
    tiles = [(path.name, path.read_bytes()) for path in sorted(TILES.glob("*/*.jpg"))]
    sent = list(islice(cycle(tiles), n))
    parts = [sent[start : start + TOGETHER] for start in range(0, n, TOGETHER)]

    def send(part: list[tuple[str, bytes]]) -> list[str]:
        files = [("files", file) for file in part]
        answer = requests.post(
            f"{project.url}/upload_batch?wait=0",
            files=files,
            headers=project.headers,
            timeout=60,
        )
        answer.raise_for_status()
        return [row["request_id"] for row in answer.json()["results"]]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        wanted = {one for ids in pool.map(send, parts) for one in ids}
    rows = finished(project, wanted)
    begin = min(datetime.fromisoformat(row["accepted_at"]) for row in rows)
    end = max(datetime.fromisoformat(row["finished_at"]) for row in rows)
    return len(rows) / (end - begin).total_seconds()


def finished(project: Project, wanted: set[str]) -> list[dict[str, str]]:
    """Return the rows with these ids once all of them are done; they are the newest."""
    deadline = time.monotonic() + GIVE_UP_S
    while True:
        rows: list[dict[str, str]] = []
        cursor = None
        while len(rows) < len(wanted):
            page = requests.get(
                f"{project.url}/results",
                params={"limit": 1000, "cursor": cursor},
                headers=project.headers,
                timeout=60,
            ).json()
            rows += [row for row in page["results"] if row["request_id"] in wanted]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        if len(rows) == len(wanted) and all(row["status"] == "done" for row in rows):
            return rows
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(wanted)} images were not done in {GIVE_UP_S} s")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
