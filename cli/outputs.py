"""All rows as CSV or JSON, written as they come, to a file or to stdout."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from cli.rows import FIELDS, Row

STDOUT = "-"

Write = Callable[[Row], None]


@contextmanager
def csv_output(path: str) -> Iterator[Write]:
    """Give a function that writes a row as a line of CSV."""
    with _opened(path) as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        yield lambda row: writer.writerow(row.as_dict())


@contextmanager
def json_output(path: str) -> Iterator[Write]:
    """Give a function that writes a row as an element of one JSON array."""
    with _opened(path) as file:
        separator = "["

        def write(row: Row) -> None:
            nonlocal separator
            file.write(f"{separator}\n  {json.dumps(row.as_dict(), ensure_ascii=False)}")
            separator = ","

        try:
            yield write
        finally:  # a whole document, however the run ends
            file.write("[]\n" if separator == "[" else "\n]\n")


def _opened(path: str) -> TextIO:
    # UTF-8 on stdout too, whatever the terminal speaks.
    at = sys.stdout.fileno() if path == STDOUT else path
    return open(at, "w", encoding="utf-8", closefd=path != STDOUT)
