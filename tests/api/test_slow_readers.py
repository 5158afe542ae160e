"""Who does not read its answer holds up nobody, and who reads gets all of it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from urllib.parse import urlsplit

import psutil
import pytest

from api.worker import IN_LINE_S
from tests.api.conftest import GET, LARGE_BYTES, PAGE_BYTES, THREADS
from tests.api.test_slow_clients import ask, opened
from tests.stack import until

PAGES = 12  # more than sockets hold


@contextmanager
def who_reads_nothing(
    url: str, path: bytes, times: int = 1, host: bytes = b"x"
) -> Iterator[socket.socket]:
    """Ask for something, so often, on a connection that holds little of it."""
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", urlsplit(url).port))
        connection.sendall(GET.replace(b"/", path, 1).replace(b": x", b": " + host) * times)
        yield connection


def taken_bytes(connection: socket.socket, most_bytes: int, bytes_per_s: float = 1e12) -> int:
    """Read at last, until the end or at least so much has come."""
    taken = 0
    with suppress(ConnectionResetError):
        while taken < most_bytes and (data := connection.recv(100_000)):
            taken += len(data)
            time.sleep(len(data) / bytes_per_s)
    return taken


def connections(process: subprocess.Popen[bytes]) -> int:
    """Return how many the server has."""
    [child] = psutil.Process(process.pid).children()
    return sum(bool(one.raddr) for one in child.net_connections("tcp"))


@pytest.mark.parametrize("send_s", [0.5])
def test_who_reads_slowly_but_reads_gets_all_of_a_large_answer(url: str, send_s: float) -> None:
    with who_reads_nothing(url, b"/large") as connection:
        began_s = time.monotonic()
        assert taken_bytes(connection, LARGE_BYTES, bytes_per_s=4e6) >= LARGE_BYTES
        assert time.monotonic() - began_s > 2 * send_s


def test_who_does_not_read_holds_no_thread_and_gets_all_in_the_end(url: str) -> None:
    with ExitStack() as stack:
        readers = [
            stack.enter_context(who_reads_nothing(url, path, PAGES))
            for path in (b"/page", b"/file") * THREADS
        ]
        began_s = time.monotonic()
        for _ in range(10):
            with closing(opened(url)) as another:
                assert b" 200 " in ask(another, GET)
        assert time.monotonic() - began_s < 2
        for reader in readers:
            assert taken_bytes(reader, PAGES * PAGE_BYTES) >= PAGES * PAGE_BYTES


def test_of_threads_that_wait_for_readers_the_slowest_gives_up_where_a_request_needs_one(
    url: str,
) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(who_reads_nothing(url, b"/large")) for _ in range(THREADS)]
        taken = [taken_bytes(reader, 100_000 * n) for n, reader in enumerate(readers)]
        with closing(opened(url)) as another:
            assert b" 200 " in ask(another, GET)
        for n, reader in enumerate(readers):
            taken[n] += taken_bytes(reader, LARGE_BYTES - taken[n])
        assert [one >= LARGE_BYTES for one in taken] == [False, True, True, True]


def test_who_goes_away_takes_no_thread_from_a_reader(url: str) -> None:
    with ExitStack() as stack:
        fresh, idle = opened(url), opened(url)
        assert b" 200 " in ask(idle, GET)
        readers = [stack.enter_context(who_reads_nothing(url, b"/large")) for _ in range(THREADS)]
        for reader in readers:  # each has its thread
            taken_bytes(reader, 1)
        for one in (fresh, idle):
            one.close()
        time.sleep(3 * IN_LINE_S)
        for reader in readers:
            assert taken_bytes(reader, LARGE_BYTES - 100_000) >= LARGE_BYTES - 100_000


@pytest.mark.parametrize("send_s", [0.5])
def test_who_reads_nothing_is_parted_from(url: str, process: subprocess.Popen[bytes]) -> None:
    until(lambda: not connections(process))
    with (
        who_reads_nothing(url, b"/large") as large,
        who_reads_nothing(url, b"/page", PAGES) as pages,
    ):
        until(lambda: connections(process) == 2)
        until(lambda: not connections(process))
        assert taken_bytes(large, LARGE_BYTES) < LARGE_BYTES
        assert taken_bytes(pages, PAGES * PAGE_BYTES) < PAGES * PAGE_BYTES


@pytest.mark.parametrize("answers_bytes", [1_000_000])
def test_when_too_much_is_not_taken_who_takes_least_is_parted_from(
    url: str, process: subprocess.Popen[bytes]
) -> None:
    with ExitStack() as stack:
        for _ in range(3 * THREADS):
            stack.enter_context(who_reads_nothing(url, b"/page", PAGES))
        with closing(opened(url)) as another:  # behind those: they have been accepted then
            assert b" 200 " in ask(another, GET)
        until(lambda: 0 < connections(process) < 2 * THREADS)
        reader = stack.enter_context(who_reads_nothing(url, b"/page", PAGES))
        assert taken_bytes(reader, PAGES * PAGE_BYTES, 1e7) >= PAGES * PAGE_BYTES
