"""A server that waits for less, with an app that counts what it is sent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from api import connection, worker

connection.HEAD_S = float(os.environ["HASTY_HEAD_S"])
worker.LINGER_S = 0.5
worker.SEND_S = float(os.environ["HASTY_SEND_S"])

LARGE_BYTES = int(os.environ["HASTY_LARGE_BYTES"])
Worker = worker.Worker


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with the number of bytes in the body; ``slow`` after a second; ``large`` at length."""
    path, counted = environ["PATH_INFO"], 0
    while "unread" not in path and (data := environ["wsgi.input"].read(65536)):
        counted += len(data)
    if "slow" in path:
        time.sleep(2 if "slower" in path else 1)
    told = str(counted).encode().rjust(LARGE_BYTES if path == "/large" else 1)
    start_response("200 OK", [("Content-Length", str(len(told)))])
    return [told]
