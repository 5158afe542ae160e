"""A lean HTTP client for load: prepared requests over connections that stay open.

The client shares the machine with what it measures, so each microsecond it takes is one
that the service does not get. It does no more than send bytes and parse answers.
"""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

BOUNDARY = "skylane-bench-7f3a9c"
TIMEOUT_S = 120


@dataclass(frozen=True)
class Request:
    """One POST: where to, and a multipart body."""

    path: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One answer: HTTP status, parsed body, and the time from sending to having it."""

    status: int
    body: dict[str, Any]
    took_ms: float


def multipart(path: str, field: str, files: Sequence[tuple[str, bytes]]) -> Request:
    """Prepare a form of ``files`` under one field name."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return Request(path, b"".join(parts) + f"--{BOUNDARY}--\r\n".encode())


def send_all(url: str, requests: Sequence[Request], connections: int) -> tuple[list[Answer], float]:
    """Send every request once over some connections; return the answers and the seconds taken.

    A closed loop: each connection sends its next request when it has its answer. The
    connections are open before the clock starts.
    """
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    for request in requests:
        waiting.put(request)
    answers: list[Answer] = []
    address = urlsplit(url).netloc
    ready = threading.Barrier(connections + 1)

    def work() -> None:
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        connection.connect()
        ready.wait()
        while True:
            try:
                request = waiting.get_nowait()
            except queue.Empty:
                connection.close()
                return
            answers.append(_send(connection, request))

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return answers, time.perf_counter() - started


def _send(connection: http.client.HTTPConnection, request: Request) -> Answer:
    started = time.perf_counter()
    connection.request(
        "POST",
        request.path,
        request.body,
        {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )
    response = connection.getresponse()
    body = response.read()
    took_ms = (time.perf_counter() - started) * 1000
    return Answer(response.status, json.loads(body), took_ms)
