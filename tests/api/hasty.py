"""A server that waits for less, with an app that counts what it is sent."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from typing import Any

from api import connection, departure, worker

connection.HEAD_S = float(os.environ["HASTY_HEAD_S"])
worker.LINGER_S = 0.5
departure.SEND_S = float(os.environ["HASTY_SEND_S"])

worker.ANSWERS_BYTES = int(os.environ["HASTY_ANSWERS_BYTES"])

LENGTHS = {path: int(os.environ[f"HASTY_{path[1:].upper()}_BYTES"]) for path in ("/page", "/large")}
FILE = tempfile.TemporaryFile()  # noqa: SIM115  (until the end)
FILE.write(bytes(LENGTHS["/page"]))
FILE.flush()
Worker = worker.Worker


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with the number of bytes in the body; ``slow`` after a second; others at length."""
    path, counted = environ["PATH_INFO"], 0
    while "unread" not in path and (data := environ["wsgi.input"].read(65536)):
        counted += len(data)
    if "slow" in path:
        time.sleep(2 if "slower" in path else 1)
    if path == "/file":
        start_response("200 OK", [("Content-Length", str(LENGTHS["/page"]))])
        file = open(f"/proc/self/fd/{FILE.fileno()}", "rb")  # noqa: SIM115  (the server closes it)
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapped
    told = str(counted).encode().rjust(LENGTHS.get(path, 1))
    start_response("200 OK", [("Content-Length", str(len(told)))])
    return [told]
