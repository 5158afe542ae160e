"""Apps in the test's own process, and a server that waits for less in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from api import create_app
from local.ports import free_ports
from settings import ROOT, Settings
from tests.api.test_slow_clients import ask, opened
from tests.stack import until

CONNECTIONS, THREADS = 30, 4
BODY_MOST = 2_000_000
PAGE_BYTES, LARGE_BYTES = 400_000, 6_000_000  # of answers: sockets do not hold the second
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def make(tmp_path: Path, database_url: str, broker_url: str) -> Callable[..., Any]:
    """Return a function that makes an app with such settings."""

    def made(url: str = database_url, **chosen: Any) -> Any:
        own = Settings(home=tmp_path, images_url=tmp_path.as_uri(), ui=tmp_path / "none", **chosen)
        return create_app(own.model_copy(update={"database_url": url, "broker_url": broker_url}))

    return made


@pytest.fixture
def head_s() -> float:
    """Return how long a request's head may take to arrive: longer than any of these tests."""
    return 60.0


@pytest.fixture
def access() -> str:
    """Return whether keys are required."""
    return "open"


@pytest.fixture
def send_s() -> float:
    """Return how long each piece of an answer may take: longer than any of these tests."""
    return 60.0


@pytest.fixture
def answers_bytes() -> int:
    """Return what all answers may have left that are not taken: more than in any of these tests."""
    return 48_000_000


@pytest.fixture
def process(
    port: int, head_s: float, send_s: float, answers_bytes: int, access: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server."""
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "tests.api.hasty:app", f"--bind=127.0.0.1:{port}"),
            *("--worker-class=tests.api.hasty.Worker", f"--threads={THREADS}"),
            *(f"--worker-connections={CONNECTIONS}", "--no-control-socket", "--keep-alive=30"),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "SKYLANE_MAX_BODY_BYTES": str(BODY_MOST),
            "SKYLANE_ACCESS": access,
            "HASTY_HEAD_S": str(head_s),
            "HASTY_SEND_S": str(send_s),
            "HASTY_ANSWERS_BYTES": str(answers_bytes),
            "HASTY_PAGE_BYTES": str(PAGE_BYTES),
            "HASTY_LARGE_BYTES": str(LARGE_BYTES),
        },
    )
    yield running
    running.kill()
    running.wait()


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def url(process: subprocess.Popen[bytes], port: int) -> str:
    """Return the address of the server, once it answers."""
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with closing(opened(address)) as connection:
                return ask(connection, GET).endswith(b"\r\n\r\n0")
        except OSError:
            return False

    until(answers)
    return address
