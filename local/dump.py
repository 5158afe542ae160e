"""What a dump of the database says of images, before it is restored."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.errors import LocalError
from local.postgres import binary

# COPY's text format, as PostgreSQL writes it: a row a line, its fields apart by tabs.
HEADER = re.compile(rb"COPY \S*predictions \((.*)\) FROM stdin;\n")
END = b"\\.\n"
NULL = rb"\N"
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
MEANT = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def digests(dump: Path) -> Iterator[tuple[str, str | None]]:
    """Yield each prediction's storage key, and its image's SHA-256 in hex if it is known.

    Raises:
        LocalError: the dump cannot be read to its end.
    """
    command = [str(binary("pg_restore")), "--data-only", "--table=predictions", "--file=-"]
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen([*command, str(dump)], stdout=subprocess.PIPE, stderr=told) as process,
    ):
        yield from _parsed(process.stdout or ())
        if process.wait():
            told.seek(0)
            reason = told.read().decode(errors="replace").strip()
            raise LocalError(f"pg_restore failed: {reason}")


def _parsed(lines: Iterable[bytes]) -> Iterator[tuple[str, str | None]]:
    columns: list[bytes] = []  # of the rows that follow
    for line in lines:
        if header := HEADER.fullmatch(line):
            columns = header[1].split(b", ")
        elif line == END:
            columns = []
        elif columns:
            row = dict(zip(columns, line.rstrip(b"\n").split(b"\t"), strict=True))
            digest = row[b"sha256"]
            yield _text(row[b"storage_key"]), None if digest == NULL else _text(digest)


def _text(field: bytes) -> str:
    meant = ESCAPED.sub(lambda found: MEANT.get(found[1], found[1]), field)
    return meant.decode(errors="surrogateescape")
