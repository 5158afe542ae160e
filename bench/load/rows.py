"""What a target's database says became of images: asked of its API, or of PostgreSQL itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg2
import requests
from psycopg2.extras import RealDictCursor

from bench.load.target import Target, as_it_is

ASK_FOR = 100  # rows at once: the most that /results takes
TIMEOUT_S = 60.0
STAGES = ("queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms")
SELECT = """
    SELECT request_id, status, lane, predicted_label, confidence, error_code, accepted_at,
        latency_ms, queue_ms, fetch_ms, decode_ms, infer_ms, record_ms, batch_size, cold_start,
        worker
    FROM prediction_results WHERE request_id = ANY (%s::uuid[])"""


@dataclass(frozen=True)
class Row:
    """A prediction. Times are seconds since 1970 by the database's clock."""

    request_id: UUID
    status: str
    lane: str
    label: str | None
    confidence: float | None
    error: str | None
    accepted: float
    latency_ms: float | None  # from accepted to committed
    stages_ms: Mapping[str, float | None]
    batch_size: int | None
    cold_start: bool | None
    worker: str | None

    @property
    def finished(self) -> bool:
        """Whether it is at its end, and says when."""
        return self.status in ("done", "failed")


def rows_of(target: Target, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return the rows that there are for ``ids``.

    Raises:
        requests.RequestException: the API does not tell.
        psycopg2.Error: the database does not.
    """
    if target.database_url:
        found = _of_database(target, [str(one) for one in ids]) if ids else []
    else:
        found = [row for some in _chunks(ids) for row in _of_api(target, some)]
    return {row.request_id: row for row in found}


def _chunks(ids: Sequence[UUID]) -> Iterator[list[str]]:
    these = iter(ids)
    while some := [str(one) for one in itertools.islice(these, ASK_FOR)]:
        yield some


def _of_api(target: Target, ids: list[str]) -> list[Row]:
    asked = "&".join([f"limit={len(ids)}", *(f"request_id={one}" for one in ids)])
    url = target.to(f"/results?{asked}")
    headers = target.headers("GET", url)
    answer = requests.get(url, headers=headers, auth=as_it_is, timeout=TIMEOUT_S)
    answer.raise_for_status()
    found = answer.json()["results"]
    for one in found:
        one["error_code"] = (one["error"] or {}).get("code")
        one["accepted_at"] = datetime.fromisoformat(one["accepted_at"])
    return [_row(one) for one in found]


def _of_database(target: Target, ids: list[str]) -> list[Row]:
    with closing(psycopg2.connect(target.database_url)) as connection:
        cursor = connection.cursor(cursor_factory=RealDictCursor)
        cursor.execute(SELECT, (ids,))
        return [_row(one) for one in cursor.fetchall()]


def _row(members: Mapping[str, Any]) -> Row:
    def number(name: str) -> float | None:
        return None if members[name] is None else float(members[name])

    return Row(
        request_id=UUID(str(members["request_id"])),
        status=members["status"],
        lane=members["lane"],
        label=members["predicted_label"],
        confidence=members["confidence"],
        error=members["error_code"],
        accepted=members["accepted_at"].timestamp(),
        latency_ms=number("latency_ms"),
        stages_ms={name: number(name) for name in STAGES},
        batch_size=members["batch_size"],
        cold_start=members["cold_start"],
        worker=members["worker"],
    )
