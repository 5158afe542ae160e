"""A request is whole with its last byte, and not before, however it is cut into pieces."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from api.arrival import IN_MEMORY_BYTES, Arrival, Room

LIMIT_BYTES = 4 * IN_MEMORY_BYTES
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


class Peer:
    """Both ends of a connection, and gunicorn's parser on what arrives."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.room = Room(3 * LIMIT_BYTES)
        self.arrival = Arrival(LIMIT_BYTES, self.room)
        self.parser = RequestParser(Config(), [], ("127.0.0.1", 1))
        self.parser.unreader = self.arrival

    def send(self, data: bytes) -> None:
        """Send, and have it taken at once: a socket holds only so much."""
        for at in range(0, len(data), 50_000):
            self.client.sendall(data[at : at + 50_000])
            self.arrival.take(self.server)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Return a connection."""
    made = Peer()
    yield made
    made.client.close()
    made.server.close()


def chunked(body: bytes, rng: random.Random) -> bytes:
    """Write a body in chunks, with all that the format allows."""
    written = b""
    while body:
        size = rng.randint(1, max(1, len(body) // 2))
        extension = rng.choice([b"", b";a=b", b' ; q="\\""'])
        written += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    return written + b"0\r\n" + rng.choice([b"", b"X-One: 1\r\nX-Two: 0\r\n"]) + b"\r\n"


@pytest.mark.parametrize("seed", range(30))
def test_a_body_is_whole_with_its_last_byte(seed: int, peer: Peer) -> None:
    rng = random.Random(seed)
    size = rng.choice([1, 100, 5_000, 70_000, IN_MEMORY_BYTES + 10])
    body = rng.randbytes(size - 5) + b"0\r\n\r\n" if size > 5 else b"x"
    if rng.random() < 0.6:
        message = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, rng)
    else:
        message = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    end_of_head = message.index(b"\r\n\r\n") + 4
    cuts = sorted({rng.randrange(1, len(message)) for _ in range(6)} | {len(message) - 1})
    request = None
    for start, end in zip([0, *cuts], cuts, strict=False):
        peer.send(message[start:end])
        assert peer.arrival.has_head == (end >= end_of_head)
        if peer.arrival.has_head:
            request = request or next(peer.parser)
            assert not peer.arrival.is_whole(request.body.reader)
            assert not peer.arrival.is_hopeless(request.body.reader)
    peer.send(message[cuts[-1] :] + NEXT)
    request = request or next(peer.parser)
    assert peer.arrival.is_whole(request.body.reader)
    assert request.body.read() == body
    peer.arrival.begin_next()
    assert peer.arrival.has_head
    assert next(peer.parser).path == "/next"
    assert peer.room.held_bytes == len(NEXT)
    peer.arrival.close()
    peer.arrival.close()
    assert peer.room.held_bytes == 0


def test_beyond_what_all_may_hold_nothing_is_taken_until_there_is_room(peer: Peer) -> None:
    other = Peer()
    other.arrival = Arrival(LIMIT_BYTES, peer.room)
    peer.send(bytes(2 * LIMIT_BYTES))
    with pytest.raises(OSError, match="hold") as raised:
        other.send(bytes(2 * LIMIT_BYTES))
    assert raised.value.errno == errno.ENOSPC
    assert 3 * LIMIT_BYTES - 50_000 < peer.room.held_bytes <= 3 * LIMIT_BYTES
    peer.arrival.close()
    other.send(bytes(LIMIT_BYTES))
    other.arrival.close()
    assert peer.room.held_bytes == 0


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n", b"-1\r\n", b"0x5\r\n", b"\r\n", b"5" * 70_000],
    ids=["words", "negative", "prefixed", "none", "long"],
)
def test_what_is_malformed_is_waited_for_no_longer(body: bytes, peer: Peer) -> None:
    peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert peer.arrival.is_whole(next(peer.parser).body.reader)


def test_what_is_too_much_or_cut_off_is_not_waited_for(peer: Peer) -> None:
    peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % (LIMIT_BYTES + 1))
    assert peer.arrival.is_hopeless(next(peer.parser).body.reader)
    other = Peer()
    other.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % 10**9)
    reader = next(other.parser).body.reader
    assert not other.arrival.is_hopeless(reader)
    other.send(bytes(LIMIT_BYTES + IN_MEMORY_BYTES))
    assert other.arrival.is_hopeless(reader)
    third = Peer()
    third.send(HEAD + b"Content-Length: 5\r\n\r\nabc")
    reader = next(third.parser).body.reader
    assert not third.arrival.is_hopeless(reader)
    third.client.shutdown(socket.SHUT_WR)
    third.arrival.take(third.server)
    assert third.arrival.is_hopeless(reader)
