"""A standard queue as SQS has them: what is received is hidden for a while, not gone.

A message that is not deleted in time is there again, and after so many deliveries in vain it is
among the dead letters. In memory: it ends with the lane.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

ARN = "arn:aws:sqs:us-east-1:000000000000:skylane-local-images"


@dataclass(eq=False)
class Message:
    """A message, and how often it was delivered."""

    body: str
    id: str = field(default_factory=lambda: str(uuid4()))
    receives: int = 0
    sent_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    first_received_ms: int = 0
    deleted: bool = False
    hidden_until_s: float = 0.0  # by the monotonic clock, since it was last received

    def record(self) -> dict[str, Any]:
        """Return it as a record of an event, as Lambda is given it."""
        return {
            "messageId": self.id,
            "receiptHandle": f"{self.id}-{self.receives}",
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": str(self.receives),
                "SentTimestamp": str(self.sent_ms),
                "SenderId": "000000000000",
                "ApproximateFirstReceiveTimestamp": str(self.first_received_ms),
            },
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(self.body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": ARN,
            "awsRegion": "us-east-1",
        }


class Queue:
    """A queue with its dead letters. Thread-safe."""

    def __init__(self, visibility_timeout_s: float, max_receive_count: int) -> None:
        self._visibility_timeout_s = visibility_timeout_s
        self._max_receive_count = max_receive_count
        self._changed = threading.Condition()
        self._visible: deque[Message] = deque()
        self._hidden: deque[Message] = deque()  # all for as long, so in the order they come back
        self._dead: list[Message] = []
        self._closed = False

    def send(self, body: str) -> None:
        """Put a message in."""
        with self._changed:
            self._visible.append(Message(body))
            self._changed.notify()

    def receive(self, most: int, wait_s: float, window_s: float = 0.0) -> list[Message]:
        """Return up to ``most`` messages, as soon as there is one, or after ``wait_s`` none.

        With a window it waits for so long after the first, or until there are enough.
        """
        taken: list[Message] = []
        until_s = time.monotonic() + wait_s
        with self._changed:
            while not self._closed:
                now_s = time.monotonic()
                self._come_back(now_s)
                if fresh := self._take(most - len(taken), now_s):
                    until_s = until_s if taken else now_s + window_s
                    taken += fresh
                if len(taken) == most or now_s >= until_s:
                    break
                # One that comes back wakes nobody, so that moment is waited for as well.
                next_s = self._hidden[0].hidden_until_s if self._hidden else until_s
                self._changed.wait(max(0.001, min(until_s, next_s) - now_s))
        return taken

    def delete(self, messages: Iterable[Message]) -> None:
        """Remove messages for good, hidden or there again."""
        with self._changed:
            for message in messages:
                message.deleted = True

    def close(self) -> None:
        """Let all who wait go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def waiting(self) -> int:
        """Return how many messages can be received now."""
        with self._changed:
            self._come_back(time.monotonic())
            return sum(not one.deleted for one in self._visible)

    def hidden(self) -> int:
        """Return how many messages are received and neither deleted nor there again."""
        with self._changed:
            self._come_back(time.monotonic())
            return sum(not one.deleted for one in self._hidden)

    def dead_letters(self) -> list[Message]:
        """Return what was delivered too often."""
        with self._changed:
            return list(self._dead)

    def _come_back(self, now_s: float) -> None:
        while self._hidden and (self._hidden[0].deleted or self._hidden[0].hidden_until_s <= now_s):
            message = self._hidden.popleft()
            if message.deleted:
                continue
            if message.receives >= self._max_receive_count:
                self._dead.append(message)
            else:
                self._visible.append(message)

    def _take(self, most: int, now_s: float) -> list[Message]:
        taken: list[Message] = []
        while self._visible and len(taken) < most:
            message = self._visible.popleft()
            if message.deleted:
                continue
            message.receives += 1
            message.first_received_ms = message.first_received_ms or int(time.time() * 1000)
            message.hidden_until_s = now_s + self._visibility_timeout_s
            self._hidden.append(message)
            taken.append(message)
        return taken
