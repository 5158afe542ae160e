"""What the API's server gives up, so that there is room for others; and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from local.ports import free_ports
from settings import ROOT
from store.keys import Secret
from tests.api.test_slow_clients import answer_of, ask, opened
from tests.stack import until

CONNECTIONS, THREADS = 30, 4
BODY_MOST = 2_000_000
PAGE_BYTES, LARGE_BYTES = 400_000, 6_000_000  # of answers: sockets do not hold the second
PAGES = 12  # and not so many of the first
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def head_s() -> float:
    """Return how long a request's head may take to arrive: longer than any of these tests."""
    return 60.0


@pytest.fixture
def access() -> str:
    """Return whether keys are required."""
    return "open"


@pytest.fixture
def send_s() -> float:
    """Return how long each piece of an answer may take: longer than any of these tests."""
    return 60.0


@pytest.fixture
def answers_bytes() -> int:
    """Return what all answers may have left that are not taken: more than in any of these tests."""
    return 48_000_000


@pytest.fixture
def process(
    port: int, head_s: float, send_s: float, answers_bytes: int, access: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server."""
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "tests.api.hasty:app", f"--bind=127.0.0.1:{port}"),
            *("--worker-class=tests.api.hasty.Worker", f"--threads={THREADS}"),
            *(f"--worker-connections={CONNECTIONS}", "--no-control-socket", "--keep-alive=30"),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "SKYLANE_MAX_BODY_BYTES": str(BODY_MOST),
            "SKYLANE_ACCESS": access,
            "HASTY_HEAD_S": str(head_s),
            "HASTY_SEND_S": str(send_s),
            "HASTY_ANSWERS_BYTES": str(answers_bytes),
            "HASTY_PAGE_BYTES": str(PAGE_BYTES),
            "HASTY_LARGE_BYTES": str(LARGE_BYTES),
        },
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


@contextmanager
def who_reads_nothing(url: str, path: bytes, times: int = 1) -> Iterator[socket.socket]:
    """Ask for something, so often, on a connection that holds little of it."""
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", urlsplit(url).port))
        connection.sendall(GET.replace(b"/", path, 1) * times)
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
