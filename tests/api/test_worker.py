"""What the API's server gives up, so that there is room for others; and how it ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config

from api.headers import OF_DATA
from api.worker import Worker
from store.keys import Secret
from tests.api.conftest import BODY_MOST, CONNECTIONS, GET, THREADS
from tests.api.test_slow_clients import answer_of, ask, opened
from tests.stack import until


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
        slow = [stack.enter_context(closing(opened(url))) for _ in range(CONNECTIONS - 2)]
        for connection in slow:
            connection.sendall(GET[:-2])
        for _ in range(THREADS):  # behind those: they have been read when these are answered
            with closing(opened(url)) as another:
                assert b" 200 " in ask(another, GET)
        for _ in range(5):
            assert b" 200 " in ask(stack.enter_context(closing(opened(url))), GET)
        assert answer_of(slow[0]).startswith(b"HTTP/1.1 503 ")
        for _ in range(CONNECTIONS):  # and then of the idle ones, who idles for longest
            assert b" 200 " in ask(stack.enter_context(closing(opened(url))), GET)
        with closing(opened(url)) as another:
            assert b" 200 " in ask(another, GET)


def spooled_bytes(process: subprocess.Popen[bytes]) -> int:
    """Return the size of the server's files that have no name."""
    found = 0
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for file in Path(f"/proc/{child}/fd").iterdir():
        with suppress(OSError):
            if str(file.readlink()).endswith("(deleted)"):
                found += file.stat().st_size
    return found


def test_when_too_much_is_arriving_the_slowest_large_body_gives_way(
    url: str, process: subprocess.Popen[bytes]
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY_MOST
    with ExitStack() as stack:
        small, *large = (stack.enter_context(closing(opened(url))) for _ in range(5))
        small.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        for connection in large[:3]:
            connection.sendall(head + bytes(BODY_MOST - 100_000))
        until(lambda: spooled_bytes(process) > 2.8 * BODY_MOST)
        large[3].sendall(head + bytes(BODY_MOST - 100_000))
        assert answer_of(large[0]).startswith(b"HTTP/1.1 503 ")
        for connection in large[1:]:
            assert ask(connection, bytes(100_000)).endswith(b"\r\n\r\n2000000")
        assert ask(small, b"def").endswith(b"\r\n\r\n6")


def test_what_threads_have_in_hand_counts_until_they_are_done_with_it(
    url: str, process: subprocess.Popen[bytes]
) -> None:
    head = b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    with ExitStack() as stack:
        large = [stack.enter_context(closing(opened(url))) for _ in range(5)]
        for connection in large[:3]:  # whole, but an app that does not read has them
            connection.sendall(head % (b"unread-slower", BODY_MOST - 50_000) + bytes(BODY_MOST))
        until(lambda: spooled_bytes(process) > 2.8 * BODY_MOST)
        large[3].sendall(head % (b"", BODY_MOST) + bytes(BODY_MOST - 100_000))
        assert answer_of(large[3]).startswith(b"HTTP/1.1 503 ")
        for connection in large[:3]:
            assert b" 200 " in answer_of(connection)
        for connection in large[:3]:
            connection.close()

        def has_room_again() -> bool:
            with closing(opened(url)) as another:
                return b" 200 " in ask(another, head % (b"", BODY_MOST) + bytes(BODY_MOST))

        until(has_room_again)


def test_a_body_that_was_read_is_kept_nowhere_while_its_answer_is_waited_for(
    url: str, process: subprocess.Popen[bytes]
) -> None:
    before = spooled_bytes(process)
    with closing(opened(url)) as connection:
        head = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY_MOST
        connection.sendall(head + bytes(BODY_MOST - 1))
        until(lambda: spooled_bytes(process) - before > BODY_MOST // 2)
        began_s = time.monotonic()
        connection.sendall(b"x" + GET)  # and the next request behind it
        until(lambda: spooled_bytes(process) - before < BODY_MOST // 10)
        assert time.monotonic() - began_s < 0.9
        told = b""
        while not told.endswith(b"\r\n\r\n0"):
            told += connection.recv(9999) or pytest.fail(f"no more than {told!r}")
        assert b"\r\n\r\n2000000HTTP/1.1 200 OK\r\n" in told


class Exhausted(socket.socket):
    """A listener that has no connection to give, for such a reason."""

    error = 0

    def accept(self) -> Any:
        raise OSError(self.error, os.strerror(self.error))


def test_what_hinders_one_connection_ends_no_process() -> None:
    worker = Worker(1, os.getpid(), [], None, 30, Config(), None)
    with closing(Exhausted()) as listener:
        for listener.error in (errno.EPROTO, errno.ENOBUFS, errno.ENOMEM, errno.EMFILE):
            worker.accept(listener)
        listener.error = errno.EBADF
        with pytest.raises(OSError, match="Bad file descriptor"):
            worker.accept(listener)
    assert worker.nr_conns == 0


def test_a_request_has_one_answer_though_its_unread_body_is_malformed(url: str) -> None:
    with closing(opened(url)) as connection:
        connection.sendall(
            b"POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello"
        )
        assert b" 200 " in answer_of(connection)
        assert connection.recv(99) == b""


@pytest.mark.parametrize("access", ["keys"])
def test_without_a_key_where_one_is_required_no_body_is_waited_for(url: str) -> None:
    head = b"POST /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n"
    key = Secret.new().text.encode()
    for none in (b"", b"X-API-Key: mine\r\n", b"Authorization: Basic eA==\r\n"):
        with closing(opened(url)) as connection:
            assert ask(connection, head + none + b"\r\n").startswith(b"HTTP/1.1 200 ")
            assert connection.recv(99) == b""
    for one in (b"x-api-key: %b\r\n", b"Authorization: bearer  %b \r\n"):
        with closing(opened(url)) as connection:
            connection.sendall(head + one % key + b"\r\n")
            assert connection.recv(99) == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert ask(connection, b"123456789").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET[:-2] + b"Authorization Bearer skl_SECRETSECRET\r\n\r\n", 400),
        (b"skl_SECRETSECRET\r\n\r\n", 400),
        (GET.replace(b"/", b"/" + b"a" * 9000, 1), 414),
        (GET[:-2] + b"Expect: skl_SECRETSECRET\r\n\r\n", 417),
        (GET[:-2] + b"Transfer-Encoding: skl_SECRETSECRET\r\n\r\n", 501),
    ],
)
def test_what_is_no_request_is_told_so_in_a_problem_document_that_repeats_nothing(
    url: str, capfd: pytest.CaptureFixture[str], request_: bytes, status: int
) -> None:
    with closing(opened(url)) as connection:
        told = ask(connection, request_)
    assert told.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in told
    document = json.loads(told.partition(b"\r\n\r\n")[2])
    assert document["status"] == status
    for name, value in OF_DATA.items():
        assert f"\r\n{name}: {value}\r\n".encode() in told
    assert "SECRET" not in told.decode() + capfd.readouterr().err


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
