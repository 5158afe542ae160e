"""Who reaches the broker can bring work to a worker, and no code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import psutil
import requests
from celery import Celery

from tests.stack import WORKER, Stack, until


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_refused_and_its_neighbours_are_served(
    stack: Stack, tmp_path: Path, tile: bytes
) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "sure")))  # noqa: S301  (so it would go off)
    assert (tmp_path / "sure").exists()
    [url] = {psutil.Process(pid).environ()["BROKER_URL"] for pid in stack.pids(WORKER)}
    before = stack.pids(WORKER)
    with Celery("stranger", broker=url, set_as_current=False) as stranger:
        for member in ("args", "kwargs"):
            bomb = Bomb(tmp_path / member)
            stranger.send_task(
                "tasks.classify",
                queue="skylane",
                serializer="pickle",
                **{"args": [bomb]} if member == "args" else {"kwargs": {"alone": bomb}},
            )
    until(lambda: stack.log.read_text().count("Refusing to deserialize") >= 2)
    answer = requests.post(
        f"{stack.url}/upload?wait=30", files={"file": ("a.jpg", tile)}, timeout=60
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    assert not (tmp_path / "args").exists()
    assert not (tmp_path / "kwargs").exists()
    assert stack.pids(WORKER) == before
