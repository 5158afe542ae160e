"""What a run is told as: a table of the images, and a summary in figures."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cli.rows import Row, showable

# A longer table than this is a part: some of the right, the wrong and the failed each.
SHOW_ALL = 40
SHOW_RIGHT, SHOW_WRONG, SHOW_FAILED = 5, 15, 20
# In columns of the terminal. A narrower one than this gets no confidences and latencies.
WIDE, MIN_PATH = 75, 20


class Report:
    """Takes rows one by one. Of many it keeps counts and a few examples, not the rows."""

    def __init__(self) -> None:
        self.n = self.done = self.unfinished = 0
        self._known = self._right = 0  # done with a true label; of these the right ones
        self._latencies_ms = array("d")
        self._all: list[Row] = []  # while they are few
        self._right_rows: list[Row] = []
        self._wrong_rows: list[Row] = []
        self._failed_rows: list[Row] = []
        self._errors: Counter[str] = Counter()
        self._details: dict[str, str] = {}  # the first of each error code

    @property
    def failed(self) -> int:
        """Images with an outcome that is no prediction."""
        return self.n - self.done - self.unfinished

    def add(self, row: Row) -> None:
        """Take a row that nothing more will come of."""
        self.n += 1
        self.unfinished += row.unfinished
        if row.status == "done":
            self.done += 1
            if row.latency_ms is not None:
                self._latencies_ms.append(row.latency_ms)
            self._known += row.true_label is not None
            self._right += row.true_label == row.predicted_label
        if row.error_code:
            self._errors[row.error_code] += 1
            self._details.setdefault(row.error_code, row.error_detail or "")
        _keep(self._all, row, SHOW_ALL)
        if row.status != "done":
            _keep(self._failed_rows, row, SHOW_FAILED)
        elif row.wrong:
            _keep(self._wrong_rows, row, SHOW_WRONG)
        else:
            _keep(self._right_rows, row, SHOW_RIGHT)

    def table(self, width: int) -> Table:
        """Return a table ``width`` wide: all rows where they are few, else some of each kind."""
        rows = self._all
        if self.n > SHOW_ALL:
            rows = self._right_rows + self._wrong_rows + self._failed_rows
        rows = sorted(rows, key=lambda row: row.number)
        wide = width >= WIDE
        room = max(MIN_PATH, width - (WIDE - MIN_PATH) if wide else width // 2)
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        table.add_column("file", no_wrap=True)
        table.add_column("label", overflow="fold")
        table.add_column("true label", overflow="fold")
        if wide:
            table.add_column("confidence", justify="right", no_wrap=True)
            table.add_column("latency", justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*_cells(row, room)[: len(table.columns)])
        return table

    def hidden(self) -> int:
        """Count the rows that the table leaves out."""
        shown = len(self._right_rows) + len(self._wrong_rows) + len(self._failed_rows)
        return self.n - shown if self.n > SHOW_ALL else 0

    def errors(self) -> Iterator[str]:
        """Yield a line for each kind of error, the most frequent first."""
        for code, times in self._errors.most_common():
            first = ", the first" if times > 1 else ""
            yield f"{code} ({times}{first}): {showable(self._details[code])}"

    def summary(self, elapsed_s: float) -> Iterator[str]:
        """Yield the figures, in lines."""
        counts = f"{self.n} images: {self.done} done, {self.failed} failed"
        yield counts + (f", {self.unfinished} unfinished" if self.unfinished else "")
        if not self.done:
            return
        yield f"{elapsed_s:.2f} s, {self.done / elapsed_s:.1f} images/s"
        if self._latencies_ms:
            ordered = sorted(self._latencies_ms)
            yield (
                f"latency from accepted to committed: p50 {percentile(ordered, 50):.0f} ms,"
                f" p99 {percentile(ordered, 99):.0f} ms"
            )
        if self._known:
            yield (
                f"accuracy: {100 * self._right / self._known:.2f} %"
                f" ({self._right} of {self._known} images whose folder is a class)"
            )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that ``percent`` % of the ordered values do not exceed.

    >>> percentile([10.0, 20.0, 30.0, 40.0], 50)
    20.0
    """
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _keep(rows: list[Row], row: Row, at_most: int) -> None:
    if len(rows) < at_most:
        rows.append(row)


def _cells(row: Row, room: int) -> tuple[Text, ...]:
    """Render a row. As Text, because a file's name may look like markup."""
    path = showable(row.path)
    if len(path) > room:  # its end says most
        path = f"…{path[1 - room :]}"
    if row.status == "done":
        label = Text(row.predicted_label or "", "yellow" if row.wrong else "green")
    else:
        label = Text(f"{row.status}: {row.error_code}" if row.error_code else row.status, "red")
    confidence, latency_ms = row.confidence, row.latency_ms
    return (
        Text(path),
        label,
        Text(row.true_label or ""),
        Text("" if confidence is None else f"{100 * confidence:.1f} %"),
        Text("" if latency_ms is None else f"{latency_ms:.0f} ms"),
    )
