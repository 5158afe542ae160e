"""An image is sent from its file, as it was stored, whoever asks for it and however it is read."""

from __future__ import annotations

import os
from contextlib import ExitStack

import psutil
import requests

from tests.api.test_slow_readers import taken_bytes, who_reads_nothing
from tests.stack import Stack

READERS, MOST_EACH_BYTES = 24, 2_000_000  # 1 MiB is kept, and a piece of 64 KiB is on its way


def api_bytes(stack: Stack) -> int:
    """Return the memory of the API's processes."""
    return sum(psutil.Process(pid).memory_info().rss for pid in stack.pids("api:create_app()"))


def test_who_does_not_read_a_large_image_holds_little_of_it(stack: Stack, tile: bytes) -> None:
    data = tile + os.urandom(9_000_000)
    sent = requests.post(
        f"{stack.url}/upload", data=data, headers={"Content-Type": "image/jpeg"}, timeout=30
    )
    path = f"/images/{sent.json()['request_id']}"
    assert requests.get(stack.url + path, timeout=30).content == data
    before_bytes = api_bytes(stack)
    with ExitStack() as readers:
        slow = [
            readers.enter_context(who_reads_nothing(stack.url, path.encode(), host=b"localhost"))
            for _ in range(READERS)
        ]
        taken = [taken_bytes(one, 1) for one in slow]  # so they are being answered
        assert api_bytes(stack) - before_bytes < READERS * MOST_EACH_BYTES
        assert taken[0] + taken_bytes(slow[0], len(data) - taken[0]) >= len(data)
    assert requests.head(stack.url + path, timeout=30).headers["Content-Length"] == str(len(data))
