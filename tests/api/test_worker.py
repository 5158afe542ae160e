"""What the API's server gives up, so that there is room for others; and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from local.ports import free_ports
from settings import ROOT
from tests.api.test_slow_clients import answer_of, ask, opened
from tests.stack import until

CONNECTIONS, THREADS = 30, 4
BODY_MOST = 2_000_000
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def head_s() -> float:
    """Return how long a request's head may take to arrive: longer than any of these tests."""
    return 60.0


@pytest.fixture
def process(port: int, head_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server."""
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "tests.api.hasty:app", f"--bind=127.0.0.1:{port}"),
            *("--worker-class=tests.api.hasty.Worker", f"--threads={THREADS}"),
            *(f"--worker-connections={CONNECTIONS}", "--no-control-socket", "--keep-alive=30"),
        ],
        cwd=ROOT,
        env=os.environ | {"SKYLANE_MAX_BODY_BYTES": str(BODY_MOST), "HASTY_HEAD_S": str(head_s)},
    )
    yield running
    running.kill()
    running.wait()


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def url(process: subprocess.Popen[bytes], port: int) -> str:
    """Return the address of the server, once it answers."""
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with closing(opened(address)) as connection:
                return ask(connection, GET).endswith(b"\r\n\r\n0")
        except OSError:
            return False

    until(answers)
    return address


@pytest.mark.parametrize("head_s", [0.5])
def test_who_is_too_slow_is_told_and_who_says_nothing_is_not(url: str, head_s: float) -> None:
    with ExitStack() as stack:
        silent, head, body, quick = (stack.enter_context(closing(opened(url))) for _ in range(4))
        began_s = time.monotonic()
        head.sendall(GET[:-2])
        body.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        assert silent.recv(99) == b""
        assert answer_of(head).startswith(b"HTTP/1.1 408 ")
        assert answer_of(body).startswith(b"HTTP/1.1 408 ")
        assert 2 * head_s <= time.monotonic() - began_s < 10
        assert body.recv(99) == b""
    with closing(opened(url)) as quick:
        for _ in range(3):  # for as long as it goes on, a connection may last
            assert b" 200 " in ask(quick, GET)
            time.sleep(head_s * 0.7)


def test_when_all_places_are_taken_the_slowest_gives_way(url: str) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(opened(url))) for _ in range(CONNECTIONS)]
        for connection in slow:
            connection.sendall(GET[:-2])
        for _ in range(5):
            with closing(opened(url)) as another:
                assert b" 200 " in ask(another, GET)
        assert answer_of(slow[0]).startswith(b"HTTP/1.1 503 ")
        for _ in range(CONNECTIONS):  # and then of the idle ones, who idles for longest
            assert b" 200 " in ask(stack.enter_context(closing(opened(url))), GET)
        with closing(opened(url)) as another:
            assert b" 200 " in ask(another, GET)


def test_when_too_much_is_arriving_the_slowest_large_body_gives_way(url: str) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY_MOST
    with ExitStack() as stack:
        large = [stack.enter_context(closing(opened(url))) for _ in range(5)]
        small = stack.enter_context(closing(opened(url)))
        small.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        for connection in large:
            connection.sendall(head + bytes(BODY_MOST - 100_000))
        assert answer_of(large[0]).startswith(b"HTTP/1.1 503 ")
        for connection in large[1:]:
            assert ask(connection, bytes(100_000)).endswith(b"\r\n\r\n2000000")
        assert ask(small, b"def").endswith(b"\r\n\r\n6")


def test_at_the_end_what_is_in_hand_is_answered_and_nobody_else_is_waited_for(
    url: str, process: subprocess.Popen[bytes]
) -> None:
    with ExitStack() as stack:
        silent, idle, busy, arriving = (stack.enter_context(closing(opened(url))) for _ in range(4))
        assert b" 200 " in ask(idle, GET)
        busy.sendall(GET.replace(b"/", b"/slow", 1))
        arriving.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        time.sleep(0.3)
        began_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert ask(arriving, b"def").endswith(b"\r\n\r\n6")
        assert b" 200 " in answer_of(busy)
        assert silent.recv(99) == b""
        assert process.wait(20) == 0
        assert time.monotonic() - began_s < 10
