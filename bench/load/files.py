"""A run as files: ``run.json``, which has a schema, and ``requests.csv``, an image a line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from bench.load.outcomes import Outcome
from bench.load.rows import STAGES
from bench.load.run import Run

# Times are seconds from the run's beginning on the sender's monotonic clock.
COLUMNS = (
    "request_id", "image", "scheduled_s", "sent_s", "answered_s", "http_status", "code", "outcome",
    "accepted_s", "started_s", "finished_s", "latency_ms", *STAGES, "batch_size", "cold_start",
    "worker", "lane", "attempts",
)  # fmt: skip


class NoRun(Exception):
    """A folder holds no run that can be read; the message says what is wrong."""


def write_run(folder: Path, run: Run, outcomes: Iterable[Outcome]) -> Path:
    """Write a run into a new folder below ``folder`` and return that."""
    name = f"{run.began_at:%Y%m%dT%H%M%S.%f}Z-{_plain(run.label)}-{run.scenario.name}"
    own = folder / name
    own.mkdir(parents=True)
    with (own / "requests.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        out.writerows(_line(one) for one in outcomes)
    schema = json.dumps(Run.model_json_schema(), indent=2) + "\n"
    (folder / "run.schema.json").write_text(schema)
    # Last, so that a folder with a run.json in it is whole.
    (own / "run.json").write_text(run.model_dump_json(indent=2) + "\n")
    return own


def read_runs(folder: Path) -> list[tuple[Run, Path]]:
    """Return all runs below a folder and where they are, in the order they were made.

    Raises:
        NoRun: there is none, or one of them cannot be read.
    """
    found = []
    for path in sorted(folder.glob("**/run.json")):
        try:
            found.append((Run.model_validate_json(path.read_text()), path.parent))
        except (OSError, ValidationError) as error:
            raise NoRun(f"{path} is no run: {error}") from error
    if not found:
        raise NoRun(f"no run is below {folder}: `skylane bench run` makes some")
    return sorted(found, key=lambda one: one[0].began_at)


def read_requests(folder: Path) -> list[dict[str, str]]:
    """Return the lines of a run's ``requests.csv``, as text."""
    with (folder / "requests.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _line(one: Outcome) -> Sequence[object]:
    row = one.row
    return (
        one.request_id, one.image, _s(one.scheduled_s), _s(one.sent_s), _s(one.answered_s),
        one.status, one.code, one.what, _s(one.accepted_s), _s(_started_s(one)),
        _s(one.committed_s),
        row and row.latency_ms,
        *(row.stages_ms[name] if row else None for name in STAGES),
        row and row.batch_size, row and row.cold_start, row and row.worker, row and row.lane,
        one.attempts,
    )  # fmt: skip


def _started_s(one: Outcome) -> float | None:
    queue_ms = one.row.stages_ms["queue_ms"] if one.row else None
    return None if one.accepted_s is None or queue_ms is None else one.accepted_s + queue_ms / 1000


def _s(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "target"
