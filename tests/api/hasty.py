"""A server that waits for less, with an app that counts what it is sent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from api import worker

worker.HEAD_S = float(os.environ["HASTY_HEAD_S"])
worker.LINGER_S = 0.5

Worker = worker.Worker


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with the number of bytes in the body; ``/slow`` after a second."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    counted = 0
    while data := environ["wsgi.input"].read(65536):
        counted += len(data)
    told = str(counted).encode()
    start_response("200 OK", [("Content-Length", str(len(told)))])
    return [told]
