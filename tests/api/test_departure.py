"""An answer arrives as it was sent, whoever sends it on, and however slowly it is read."""

from __future__ import annotations

import random
import select
import socket
import threading
import time

import pytest

from api import departure
from api.arrival import Room
from api.departure import KEPT_MOST_BYTES, Departure
from tests.stack import until


@pytest.mark.parametrize("seed", range(10))
def test_an_answer_arrives_as_it_was_sent(seed: int) -> None:
    rng = random.Random(seed)
    pieces = [rng.randbytes(rng.choice([0, 1, 5_000, 300_000, 2_000_000])) for _ in range(8)]
    client, server = socket.socketpair()
    server.setblocking(False)
    room, read = Room(rng.choice([200_000, 2 * KEPT_MOST_BYTES])), bytearray()

    def reads() -> None:
        sizes = random.Random(seed)
        while data := client.recv(sizes.randint(1, 200_000)):
            read.extend(data)

    reader = threading.Thread(target=reads)
    answer = Departure(room)
    with client, server:
        reader.start()
        for piece in pieces:
            answer.send(server, piece)
            assert answer.kept_bytes == room.held_bytes <= KEPT_MOST_BYTES
        while answer.kept_bytes:
            select.select([], [server], [])
            answer.go_on(server)
        server.shutdown(socket.SHUT_WR)
        reader.join()
    assert read == b"".join(pieces)
    assert (room.held_bytes, answer.since_s) == (0, 0)


def test_only_while_somebody_tries_to_send_a_client_is_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departure, "SEND_S", 0.05)
    client, server = socket.socketpair()
    server.setblocking(False)
    room = Room(KEPT_MOST_BYTES)
    answer = Departure(room)
    with client, server:
        answer.send(server, bytes(KEPT_MOST_BYTES))
        until(lambda: answer.is_overdue(time.monotonic()))
        answer.send(server, b"more")
        assert not answer.is_overdue(time.monotonic())
        with pytest.raises(ConnectionResetError):
            answer.send(server, bytes(KEPT_MOST_BYTES))
    answer.close()
    assert room.held_bytes == 0
