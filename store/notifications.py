"""Wait for predictions without asking again and again: PostgreSQL says when one is finished."""

from __future__ import annotations

import logging
import queue
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from store.database import connect

log = logging.getLogger(__name__)

RECONNECT_AFTER_S = 0.5
LOOK_UP_EVERY_S = 5.0  # the listener also wakes on its own, to notice a dead connection


Row = dict[str, Any]


class Waiter:
    """Gathers the rows of one request's predictions as they are finished."""

    def __init__(self, request_ids: Iterable[str]) -> None:
        self.rows: dict[str, Row] = {}
        self._unfinished = set(request_ids)
        self._done = threading.Event()

    def finished(self, row: Row) -> None:
        """Take a finished row; the last one ends the wait."""
        self.rows[row["request_id"]] = row
        self.leave_out(row["request_id"])

    def leave_out(self, request_id: str) -> None:
        """Wait for this one no longer: nobody will tell of it any more."""
        self._unfinished.discard(request_id)
        if not self._unfinished:
            self._done.set()

    def wait(self, timeout_s: float) -> dict[str, Row]:
        """Block until all are finished, or for ``timeout_s``; return the rows there are."""
        self._done.wait(timeout_s)
        return self.rows


class Follower:
    """Hands on the rows of some predictions one after the other, as they are finished."""

    def __init__(self) -> None:
        self._rows: queue.SimpleQueue[Row] = queue.SimpleQueue()

    def finished(self, row: Row) -> None:
        """Take a finished row."""
        self._rows.put(row)

    def news(self, timeout_s: float) -> list[Row]:
        """Return the rows that came since, waiting up to ``timeout_s`` for the first of them."""
        rows: list[Row] = []
        try:
            rows.append(self._rows.get(timeout=max(0.0, timeout_s)))
            while True:
                rows.append(self._rows.get_nowait())
        except queue.Empty:
            return rows


class Finished:
    """One listening connection a process, shared by everyone who waits there.

    A notification that is lost with the connection costs the waiter its time-out; it never
    costs a result, which is in the row.
    """

    def __init__(self, database_url: str, get: Callable[[Sequence[str]], list[Row]]) -> None:
        """``get`` reads rows by request id: once for all who wait, not once for each."""
        self._url = database_url
        self._get = get
        # Several may wait for the same prediction: an upload, and who follows it in a stream.
        self._waiters: dict[str, list[Waiter | Follower]] = {}
        self._lock = threading.Lock()
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, request_ids: Sequence[str]) -> Iterator[Waiter]:
        """Watch for predictions from now on. Enter this before they are enqueued."""
        with self._told(request_ids, waiter := Waiter(request_ids)):
            yield waiter

    @contextmanager
    def follow(self, request_ids: Iterable[str]) -> Iterator[Follower]:
        """Follow predictions from now on. What was finished before is not told."""
        with self._told(tuple(request_ids), follower := Follower()):
            yield follower

    @contextmanager
    def _told(self, request_ids: Sequence[str], waiter: Waiter | Follower) -> Iterator[None]:
        with self._lock:
            for request_id in request_ids:
                self._waiters.setdefault(request_id, []).append(waiter)
            # Not in __init__: a server forks its workers after the app is made, and a thread
            # does not survive a fork.
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="finished", daemon=True)
                self._thread.start()
        try:
            self._listening.wait(timeout=1)
            yield
        finally:
            with self._lock:
                for request_id in request_ids:
                    others = [one for one in self._waiters[request_id] if one is not waiter]
                    if others:
                        self._waiters[request_id] = others
                    else:
                        del self._waiters[request_id]

    def _listen(self) -> None:
        while True:
            try:
                connection = connect(self._url)
                try:
                    connection.cursor().execute("LISTEN finished")
                    self._listening.set()
                    # What was finished while nobody listened is not told again.
                    self._wake(list(self._waiters))
                    readable = select.poll()
                    readable.register(connection, select.POLLIN)
                    while True:
                        readable.poll(LOOK_UP_EVERY_S * 1000)
                        connection.poll()
                        noted = [note.payload for note in connection.notifies]
                        connection.notifies.clear()
                        self._wake(noted)
                finally:
                    connection.close()
            except Exception as error:  # whatever it is, those who wait need a listener again
                with self._lock:
                    if not self._waiters:  # who comes next starts another
                        self._thread = None
                        self._listening.clear()
                        return
                log.warning("listening for finished predictions: %s; connecting again", error)
                time.sleep(RECONNECT_AFTER_S)

    def _wake(self, request_ids: Iterable[str]) -> None:
        with self._lock:
            waited_for = [one for one in request_ids if one in self._waiters]
        if not waited_for:
            return
        rows = self._get(waited_for)
        with self._lock:
            for row in rows:
                if row["status"] in ("done", "failed"):
                    for waiter in self._waiters.get(row["request_id"], ()):
                        waiter.finished(row)
