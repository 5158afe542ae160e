"""Who sends slowly, or much, or does not read, holds up nobody else."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import requests

from tests.stack import until

SLOW = 200
BOUND_S = 5.0  # for the others' uploads: nothing beside ever, where a thread waits for each
HEAD = b"POST /upload?wait=0 HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"


def opened(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


def ask(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return answer_of(connection)


def answer_of(connection: socket.socket) -> bytes:
    """Return all of one answer that has a length."""
    told = b""
    while b"\r\n\r\n" not in told:
        told += connection.recv(65536) or pytest.fail(f"no more than {told!r}")
    head, _, body = told.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65536) or pytest.fail(f"no more than {body!r}")
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def beset(url: str, first: bytes, more: bytes = b"") -> Iterator[list[socket.socket]]:
    """Hold many connections that send a piece, and then a little now and then."""
    connections = [opened(url) for _ in range(SLOW)]
    over = threading.Event()

    def drip() -> None:
        while more and not over.wait(0.5):
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.send(more)

    dripping = threading.Thread(target=drip)
    try:
        for connection in connections:
            connection.sendall(first)
        dripping.start()
        yield connections
    finally:
        over.set()
        dripping.join()
        for connection in connections:
            connection.close()


def slowest_s(url: str, tile: bytes) -> float:
    """Upload from a few clients, each on connections of its own; return the longest time."""

    def upload(_: int) -> float:
        began_s = time.monotonic()
        headers = {"Content-Type": "image/jpeg"}
        answer = requests.post(f"{url}/upload?wait=30", data=tile, headers=headers, timeout=40)
        assert (answer.status_code, answer.json()["status"]) == (200, "done")
        return time.monotonic() - began_s

    with ThreadPoolExecutor(4) as clients:
        return max(clients.map(upload, range(40)))


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"", b""),
        (HEAD, b"X: y\r\n"),
        (HEAD + b"Content-Length: 90000\r\n\r\n\xff\xd8\xff", b"0"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n\xff\xd8\xff\r\n", b"1\r\n0\r\n"),
    ],
    ids=["silent", "heads", "bodies", "chunks"],
)
def test_slow_requests_hold_up_nobody(api_url: str, tile: bytes, first: bytes, more: bytes) -> None:
    with beset(api_url, first, more):
        assert slowest_s(api_url, tile) < BOUND_S


def test_huge_bodies_hold_up_nobody_and_are_refused(api_url: str, tile: bytes) -> None:

    def send_huge() -> bytes:
        # As much as may be sent, so that it is taken to its end.
        with closing(opened(api_url)) as connection:
            connection.sendall(HEAD + b"Content-Length: 60000000\r\n\r\n")
            for _ in range(60):
                connection.sendall(bytes(1_000_000))
            return answer_of(connection)

    with ThreadPoolExecutor(3) as clients:
        huge = [clients.submit(send_huge) for _ in range(3)]
        assert slowest_s(api_url, tile) < BOUND_S

        assert {one.result().split(b"\r\n")[0] for one in huge} == {
            b"HTTP/1.1 413 REQUEST ENTITY TOO LARGE"
        }


def test_who_does_not_close_holds_up_nobody(api_url: str, tile: bytes) -> None:
    request = b"GET /health HTTP/1.0\r\n\r\n"
    with beset(api_url, request) as connections:
        assert slowest_s(api_url, tile) < BOUND_S
        until(lambda: connections[0].recv(9999) == b"")


def test_a_body_that_comes_in_pieces_is_whole(api_url: str, tile: bytes) -> None:
    with closing(opened(api_url)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):  # on one connection
            data = HEAD + b"Content-Length: %d\r\n\r\n" % len(tile) + tile
            for at in range(0, len(data), 500):
                connection.sendall(data[at : at + 500])
                time.sleep(0.002)
            assert b" 202 " in answer_of(connection)
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(part), part)
            for part in (tile[at : at + 700] for at in range(0, len(tile), 700))
        )
        data = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        for at in range(0, len(data), 333):
            connection.sendall(data[at : at + 333])
            time.sleep(0.002)
        assert b" 202 " in answer_of(connection)


def test_requests_that_come_together_are_answered_in_turn(api_url: str, tile: bytes) -> None:
    one = HEAD + b"Content-Length: %d\r\n\r\n" % len(tile) + tile
    other = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(opened(api_url)) as connection:
        connection.sendall(one + other + one[:50])
        time.sleep(0.2)
        connection.sendall(
            one[50:] + b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        told = b""
        while data := connection.recv(65536):
            told += data
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"202", b"200", b"202", b"404"]


def test_who_asks_whether_to_go_on_is_told(api_url: str, tile: bytes) -> None:
    with closing(opened(api_url)) as connection:
        head = HEAD + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(tile)
        connection.sendall(head)
        assert connection.recv(99) == b"HTTP/1.1 100 Continue\r\n\r\n"
        told = ask(connection, tile)
        assert told.startswith(b"HTTP/1.1 202 ")
    with closing(opened(api_url)) as connection:
        head = HEAD + b"Content-Length: 999999999\r\nExpect: 100-continue\r\n\r\n"
        told = ask(connection, head)
        assert told.startswith(b"HTTP/1.1 413 ")
        assert connection.recv(99) == b""


def test_too_many_headers_are_refused(api_url: str) -> None:
    with closing(opened(api_url)) as connection:
        told = ask(connection, HEAD + b"A: " + b"b" * 70_000)
        assert told.startswith(b"HTTP/1.1 431 ")
