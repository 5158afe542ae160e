"""The open loop: each request goes when it is due, whatever became of those before it.

One thread and one event loop. Where that is not enough it says so: `Own` has how late requests
went, how long the loop was held up, and how much of a core this process took.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import aiohttp

from bench.load.images import Image
from bench.load.target import Target

# What a client sends again, under the same request id, so that it is accepted once (HTTP 429 and
# gateways' answers); after a wait by chance below a bound that doubles:
# https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
AGAIN = (429, 502, 503, 504)
BACK_OFF_S, BACK_OFF_MOST_S = 0.1, 2.0
# A Retry-After is waited for, up to so long, and by chance up to so much of it longer: else all
# who were told the same come back at once.
RETRY_AFTER_MOST_S, RETRY_AFTER_SPREAD = 30.0, 0.2
BOUNDARY = "skylane-bench-7f3a9c"
LEAD_S = 0.2  # from the beginning to the first request: everything is ready by then
LOOK_EVERY_S = 0.01  # how often the loop's own delay is measured


@dataclass(frozen=True)
class Due:
    """A request that is to be sent: when, and which images under which ids."""

    at_s: float
    ids: Sequence[UUID]
    images: Sequence[Image]


@dataclass(frozen=True)
class Sent:
    """A request that was sent. Times are seconds on a monotonic clock, from the run's beginning."""

    due: Due
    sent_s: float
    answered_s: float
    status: int | None  # of HTTP; None: there was no answer. The last attempt's.
    code: str = ""  # of the problem, or what kept the answer away
    refused: frozenset[int] = frozenset()  # files of an accepted batch that were not
    attempts: int = 1

    @property
    def accepted(self) -> bool:
        """Whether the API promised to classify it."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Own:
    """What the sender knows of itself, in ms and of a core."""

    late_ms: Sequence[float]  # from when requests were due until they were begun
    held_up_ms: Sequence[float]  # how much longer than asked the loop slept
    cpu_share: float  # of one core


@dataclass
class _Run:
    target: Target
    wait_s: float
    retries: int
    began_s: float = 0.0  # by the loop's clock, which is time.monotonic
    sent: list[Sent] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    held_up_ms: list[float] = field(default_factory=list)


def send(
    due: Sequence[Due], target: Target, *, wait_s: float, timeout_s: float, retries: int = 0
) -> tuple[list[Sent], Own, float]:
    """Send every request when it is due; return them when all are answered or given up.

    Returns:
        The requests, in the order they were due; what the sender knows of itself; and the run's
        beginning, by ``time.monotonic``.
    """
    _allow_many_connections()
    return asyncio.run(_send_all(due, _Run(target, wait_s, retries), timeout_s))


async def _send_all(
    due: Sequence[Due], run: _Run, timeout_s: float
) -> tuple[list[Sent], Own, float]:
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
    ) as session:
        run.began_s = loop.time() + LEAD_S
        watch = asyncio.create_task(_watch(run))
        cpu_s, monotonic_s = time.process_time(), time.monotonic()
        tasks = []
        for one in due:
            await asyncio.sleep(max(0.0, run.began_s + one.at_s - loop.time()))
            tasks.append(asyncio.create_task(_post(one, session, run)))
        # What the answers cost after the last request is no reason for a request to be late.
        cpu_share = (time.process_time() - cpu_s) / max(time.monotonic() - monotonic_s, 1e-9)
        watch.cancel()
        await asyncio.gather(*tasks)
    run.sent.sort(key=lambda one: one.due.at_s)
    return run.sent, Own(run.late_ms, run.held_up_ms, cpu_share), run.began_s


async def _watch(run: _Run) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        before_s = clock()
        await asyncio.sleep(LOOK_EVERY_S)
        run.held_up_ms.append((clock() - before_s - LOOK_EVERY_S) * 1000)


async def _post(due: Due, session: aiohttp.ClientSession, run: _Run) -> None:
    clock = asyncio.get_running_loop().time
    path, body, media_type = _request(due, run.wait_s)
    sent_s = clock() - run.began_s
    run.late_ms.append((sent_s - due.at_s) * 1000)
    for attempt in range(run.retries + 1):
        status, text, wait_s = await _attempt(path, body, media_type, session, run.target)
        if attempt == run.retries or not (status is None or status in AGAIN):
            break
        await asyncio.sleep(_pause_s(attempt, wait_s))
    answered_s = clock() - run.began_s
    code, refused = (
        (text.decode(), frozenset[int]()) if status is None else _understood(status, text)
    )
    run.sent.append(Sent(due, sent_s, answered_s, status, code, refused, attempt + 1))


async def _attempt(
    path: str, body: bytes, media_type: str, session: aiohttp.ClientSession, target: Target
) -> tuple[int | None, bytes, float]:
    """Return an answer's status and body, or None and why there is none; and its Retry-After."""
    url = target.to(path)
    headers = target.headers("POST", url, body, {"Content-Type": media_type})
    try:
        async with session.post(url, data=body, headers=headers) as answer:
            after = answer.headers.get("Retry-After", "")
            return answer.status, await answer.read(), float(after) if after.isdecimal() else 0.0
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return None, type(error).__name__.encode(), 0.0


def _pause_s(attempt: int, retry_after_s: float) -> float:
    """Return how long to wait before the next attempt."""
    if retry_after_s:
        told_s = min(RETRY_AFTER_MOST_S, retry_after_s)
        return random.uniform(told_s, told_s * (1 + RETRY_AFTER_SPREAD))
    return random.uniform(0, min(BACK_OFF_MOST_S, BACK_OFF_S * 2**attempt))


def _request(due: Due, wait_s: float) -> tuple[str, bytes, str]:
    """Return path, body and media type of an upload of one image, or of a batch."""
    if len(due.ids) == 1:
        [image], [one] = due.images, due.ids
        return f"/upload?wait={wait_s:g}&request_id={one}", image.data, image.media_type
    parts = []
    for one, image in zip(due.ids, due.images, strict=True):
        name = PurePosixPath(image.name).name
        parts.append(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="request_id"\r\n\r\n{one}\r\n'
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files";'
            f' filename="{name}"\r\nContent-Type: {image.media_type}\r\n\r\n'.encode()
        )
        parts.append(image.data + b"\r\n")
    body = b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return f"/upload_batch?wait={wait_s:g}", body, f"multipart/form-data; boundary={BOUNDARY}"


def _understood(status: int, text: bytes) -> tuple[str, frozenset[int]]:
    """Return the code of a problem, and which files of a batch were rejected."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    told: dict[str, Any] = answer if isinstance(answer, dict) else {}  # a gateway's may be any JSON
    if status >= 300:
        return str(told.get("code", f"http_{status}")), frozenset()
    results = told.get("results")
    return "", frozenset(
        number
        for number, one in enumerate(results if isinstance(results, list) else [])
        if isinstance(one, dict) and one.get("status") == "rejected"
    )


def _allow_many_connections() -> None:
    """Let this process have as many sockets as it may: an open loop sets itself no limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
