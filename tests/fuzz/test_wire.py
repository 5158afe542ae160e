"""Whatever comes over the wire: an answer that blames who sent it, and others are still served."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from random import Random
from urllib.parse import urlsplit

import pytest
import requests

from tests.fuzz.wire import answered, handmade, mutated
from tests.stack import Stack, until

SEED, MUTATED = 8, 400
# What 501 is for: images are files here, and RFC 9112 (6.1) has it for codings that are unknown.
RIGHTLY = (b"no_presigned_uploads", b"Unsupported transfer coding")
API = "gunicorn"  # what only its command line has in it


def test_what_is_no_sound_request_is_answered_as_the_clients_mistake(
    stack: Stack, tile: bytes
) -> None:
    sent = dict(handmade(tile))
    sent |= {f"mutated {n}": mutated(tile, Random(f"{SEED} {n}")) for n in range(MUTATED)}
    pids = stack.pids(API)
    with ThreadPoolExecutor(8) as connections:
        answers = dict(
            zip(
                sent,
                connections.map(lambda one: answered(stack.url, one), sent.values()),
                strict=True,
            )
        )
    wrong = {
        name: (status, answer[:200])
        for name, (status, answer) in answers.items()
        if status >= 500 and not any(told in answer for told in RIGHTLY)
    }
    assert wrong == {}
    assert sum(status == 0 for status, _ in answers.values()) < len(answers) / 10
    assert stack.pids(API) == pids
    assert requests.get(f"{stack.url}/ready", timeout=10).ok


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Le",
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nContent-Type: image/x\r\n\r\nx",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_requests_that_were_never_ended_hold_nothing_up_once_they_are_gone(
    stack: Stack, tile: bytes, half: bytes
) -> None:
    address = urlsplit(stack.url)
    open_ones = [
        socket.create_connection((address.hostname or "", address.port or 80), 5)
        for _ in range(120)
    ]
    for one in open_ones:
        one.sendall(half)
    for one in open_ones:
        one.close()

    def served() -> bool:
        answer = requests.post(
            f"{stack.url}/upload?wait=30",
            data=tile,
            timeout=60,
            headers={"Content-Type": "image/jpeg"},
        )
        return answer.status_code == 200

    assert until(served, limit_s=15)
