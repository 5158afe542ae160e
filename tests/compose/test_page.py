"""The page is in the image, built, and served without any of the stores."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
import requests

from bench.compose import docker
from local.ports import free_ports
from tests.stack import until

pytestmark = pytest.mark.skipif(
    "SKYLANE_COMPOSE" not in os.environ, reason="./test-compose runs these"
)


@pytest.fixture
def url() -> Iterator[str]:
    """Run the API of the image alone; its stores are nowhere."""
    [port] = free_ports(1)
    settings = ("SKYLANE_HOST=0.0.0.0", "DATABASE_URL=postgresql://nobody@127.0.0.1:9/x")
    container = docker(
        *("run", "--rm", "--detach", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108
        *("--publish", f"127.0.0.1:{port}:8000", *(f"-e{one}" for one in settings)),
        *("-eBROKER_URL=redis://127.0.0.1:9", "skylane", "api"),
    ).strip()
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(f"{address}/health"))
        yield address
    finally:
        docker("kill", container)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def test_the_container_serves_the_page_compressed_and_under_a_policy(url: str) -> None:
    page = requests.get(url, timeout=10)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    [script] = re.findall(r'<script type="module"[^>]* src="\./(assets/[^"]+\.js)"', page.text)
    answer = requests.get(f"{url}/{script}", timeout=10)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" in answer.headers["Cache-Control"]
    assert requests.get(f"{url}/config.json", timeout=10).json()["apis"][0]["url"] == ""
