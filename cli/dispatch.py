"""Keep a few batches in flight, and follow each image to its outcome."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from cli.client import WAIT_S, Client
from cli.rows import Row

LANES = 4  # uploads in flight
MAX_WAITING = 1000  # sent and unfinished images: beyond, the API has enough to do
ASKED_AT_ONCE = 100
FIRST_PAUSE_S, MAX_PAUSE_S, PAUSE_GROWTH = 0.25, 5.0, 1.5  # between askings
GRACE_S = WAIT_S + 1.0  # for uploads in flight to come back after an interrupt
TICK_S = 0.1  # how soon an interrupt is noticed


@dataclass(frozen=True)
class _Report:
    """What a thread hands back: the key it was begun under, and its rows or its mishap."""

    key: int
    rows: list[Row]
    mishap: BaseException | None = None


class Dispatch:
    """Sends batches and yields each row once, when nothing more will come of it.

    Only the caller's thread changes anything here. Others do one request or series of
    requests each and put what came of it on a queue; they are daemons, so that one that
    hangs on a socket does not keep the command from ending.
    """

    def __init__(
        self,
        client: Client,
        batches: Iterator[list[Row]],
        *,
        timeout_s: float,
        stop: threading.Event,
        notice: Callable[[str], None],
    ) -> None:
        self._client = client
        self._batches = batches
        self._timeout_s = timeout_s
        self._stop = stop
        self._notice = notice
        self._reports: queue.SimpleQueue[_Report] = queue.SimpleQueue()
        self._begun = 0
        self._uploading: dict[int, list[Row]] = {}
        self._asking: dict[int, list[Row]] = {}
        self._waiting: dict[int, Row] = {}  # by number, the longest unasked first
        self._pause_s = FIRST_PAUSE_S
        self._ask_at = 0.0
        self._progress_at = time.monotonic()
        self._leave_at: float | None = None
        self.stopped_by = ""  # why not everything was sent and done, if so

    def rows(self) -> Iterator[Row]:
        """Send everything; stop early on an interrupt, a silent API or without progress."""
        more = True
        while True:
            if more and not self._stop.is_set() and self._client.away is None:
                more = self._send_more()
            if self._over():
                break
            self._ask_again()
            try:
                report = self._reports.get(timeout=TICK_S)
            except queue.Empty:
                continue
            if report.mishap:
                raise report.mishap
            yield from self._take(report)
        if self._client.away and not self._stop.is_set():
            self.stopped_by = str(self._client.away)
        for batch in self._uploading.values():
            for row in batch:
                yield row.failed("unanswered", "no_answer", "The run ended before the answer.")
        yield from self._waiting.values()

    def _over(self) -> bool:
        now = time.monotonic()
        if self._stop.is_set():
            self.stopped_by = "interrupted"
            self._leave_at = self._leave_at or now + GRACE_S
            return not self._uploading or now > self._leave_at
        if self._uploading:
            return False  # uploads have time-outs of their own
        if self._waiting and now - self._progress_at > self._timeout_s:
            self.stopped_by = f"no progress for {self._timeout_s:g} s; is a worker running?"
            return True
        return not self._waiting and not self._asking

    def _send_more(self) -> bool:
        """Fill the lanes; return whether there may be more to send."""
        while len(self._uploading) < LANES and len(self._waiting) < MAX_WAITING:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._begin(self._client.upload, batch, self._uploading)
        return True

    def _ask_again(self) -> None:
        """Ask for some of those that wait, one series at a time and not too often."""
        if self._waiting and not self._asking and time.monotonic() >= self._ask_at:
            rows = list(islice(self._waiting.values(), ASKED_AT_ONCE))
            self._begin(self._client.ask, rows, self._asking)

    def _begin(
        self,
        work: Callable[[list[Row]], list[Row]],
        rows: list[Row],
        register: dict[int, list[Row]],
    ) -> None:
        self._begun += 1
        key = self._begun
        register[key] = rows

        def run() -> None:
            try:
                self._reports.put(_Report(key, work(rows)))
            except BaseException as mishap:  # for the caller's thread to raise
                self._reports.put(_Report(key, [], mishap))

        threading.Thread(target=run, daemon=True).start()

    def _take(self, report: _Report) -> Iterator[Row]:
        """Put rows where they belong now, and yield the finished ones."""
        asked = self._asking.pop(report.key, None) is not None
        self._uploading.pop(report.key, None)
        news = False
        for row in report.rows:
            known = self._waiting.pop(row.number, None)
            if known is None:
                news |= row.request_id is not None
            else:
                # Begun is progress too, and so is begun again after a worker died.
                news |= (known.status, known.attempts) != (row.status, row.attempts)
            if row.unfinished:
                self._waiting[row.number] = row
            else:
                yield row
        if news:
            self._progress_at = time.monotonic()
        elif asked:
            self._notice(f"{len(self._waiting)} sent and not yet done")
        if asked:
            self._pause_s = (
                FIRST_PAUSE_S if news else min(MAX_PAUSE_S, self._pause_s * PAUSE_GROWTH)
            )
            self._ask_at = time.monotonic() + self._pause_s
