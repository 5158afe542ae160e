"""What became of the images of a burst: reckoned from the table, the store and the answers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras

from local.errors import LocalError
from model.images import decode, stack
from model.serving import open_predictor
from settings import Settings
from store.database import Database
from store.errors import StoreError
from tests.chaos.burst import Image

TILES = sorted((Path(__file__).parents[1] / "data" / "eurosat").glob("*/*.jpg"))
# Of one image in batches of different sizes; INT8 kernels differ in the last bits.
SAME_PROBABILITY = 0.02
POLL_S = 0.05
PATIENCE = 2.0  # bounds that are waited for before an image counts as lost

# Each time that a row becomes or ceases to be finished, or is finished once more, whoever does it.
# A second finish leaves the status as it was, but not the time; the commit's time is none of this.
AUDIT = """
    CREATE TABLE IF NOT EXISTS chaos_audit (
        request_id uuid NOT NULL, before text NOT NULL, after text NOT NULL);
    CREATE OR REPLACE FUNCTION chaos_audit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO chaos_audit VALUES (NEW.request_id, OLD.status, NEW.status);
        RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER chaos_audit AFTER UPDATE ON predictions FOR EACH ROW
    WHEN ((OLD.status, OLD.finished_at) IS DISTINCT FROM (NEW.status, NEW.finished_at)
          AND (OLD.status IN ('done', 'failed') OR NEW.status IN ('done', 'failed')))
    EXECUTE FUNCTION chaos_audit();
"""


@dataclass
class Outcome:
    """What one burst came to. ``lost`` and ``duplicated`` are what must not be."""

    accepted: int = 0
    done: int = 0
    failed: int = 0
    lost: int = 0
    duplicated: int = 0
    slowest_s: float = 0.0  # from accepted, or from the fault if that came later, to finished
    took_s: float = 0.0
    settled_s: float = 0.0  # until all was as before
    troubles: list[str] = field(default_factory=list)  # what else was not as promised
    notes: dict[str, float] = field(default_factory=dict)
    broken: bool = False  # the place is of no use any more

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON, times to the millisecond; what is empty is left out."""
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
            if name != "broken" and value not in ([], {})
        }


def install(database_url: str) -> None:
    """Have the database write down each end of each row."""
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    connection.cursor().execute(AUDIT)
    connection.close()


@cache
def expected() -> dict[str, Mapping[str, float]]:
    """Return the probabilities of each tile, by the digest of its bytes."""
    predictor = open_predictor(Settings().artefact, streams=1)
    datas = [path.read_bytes() for path in TILES]
    rows = predictor.predict(stack([decode(data, side_px=predictor.tile_px) for data in datas]))
    return {
        hashlib.sha256(data).hexdigest(): dict(zip(predictor.labels, map(float, row), strict=True))
        for data, row in zip(datas, rows, strict=True)
    }


def wait_for_ends(database_url: str, images: Sequence[Image], limit_s: float) -> None:
    """Wait until each accepted image is finished, and note when; return after ``limit_s``."""
    database = Database(database_url, size=1)
    by_id = {str(image.request_id): image for image in images}
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        left = [one for one, image in by_id.items() if image.accepted and not image.ended_s]
        if not left:
            break
        try:
            ended = database.query(
                "SELECT request_id::text FROM predictions WHERE request_id = ANY (%s::uuid[])"
                " AND status IN ('done', 'failed')",
                (left,),
            )
        except StoreError:  # it is away
            ended = []
        for row in ended:
            by_id[row["request_id"]].ended_s = time.monotonic()
        time.sleep(POLL_S)
    database.close()


def reckon(
    database_url: str,
    images: Sequence[Image],
    stored: Callable[[str], bytes],
    since_s: float,
    bound_s: float,
) -> Outcome:
    """Compare what was promised with what is there.

    ``stored`` reads an object, ``since_s`` is when the fault began, by the monotonic clock.
    """
    database = Database(database_url, size=1)
    found = database.query(
        """
        SELECT p.*, count(*) OVER (PARTITION BY image_name) AS named,
            coalesce(changes, 0) AS changes
        FROM predictions p LEFT JOIN (
            SELECT request_id, count(*) AS changes FROM chaos_audit GROUP BY request_id
        ) AS audit USING (request_id)
        WHERE image_name = ANY (%s)
        """,
        ([image.name for image in images],),
    )
    database.close()
    rows = {row["request_id"]: row for row in found}
    neighbours_s = 0.0
    outcome = Outcome(troubles=[trouble for image in images for trouble in image.troubles])
    for image in images:
        row = rows.get(str(image.request_id))
        if row and (row["named"] > 1 or row["changes"] > 1):
            outcome.duplicated += 1
            outcome.troubles.append(f"{image.name}: {row['named']} rows, {row['changes']} ends")
        if not image.accepted:
            continue
        outcome.accepted += 1
        if why := _lost(image, row, stored):
            outcome.lost += 1
            outcome.troubles.append(f"{image.name} is lost: {why}")
            continue
        assert row
        outcome.done += row["status"] == "done"
        outcome.failed += row["status"] == "failed"
        if row["status"] == "done" and not _right(image, row):
            outcome.duplicated += 1
            outcome.troubles.append(f"{image.name} has another's result")
        if (row["status"], row["error_code"]) != _promised(image):
            outcome.troubles.append(
                f"{image.name} is {row['status']}: {row['error_code']}, {row['error_detail']}"
            )
        took_s = image.ended_s - max(image.accepted_s, since_s)
        outcome.slowest_s = max(outcome.slowest_s, took_s)
        if not image.poisoned:
            neighbours_s = max(neighbours_s, took_s)
        elif row["attempts"] != Settings().max_attempts:
            outcome.troubles.append(f"{image.name} was tried {row['attempts']} times")
    if poisoned_s := [image.accepted_s for image in images if image.poisoned]:
        outcome.notes["neighbours_s"] = neighbours_s
        outcome.notes["behind"] = sum(image.accepted_s > min(poisoned_s) for image in images)
    if missing := sum(not image.accepted for image in images):
        outcome.troubles.append(f"{missing} images were never accepted")
    if outcome.slowest_s > bound_s:
        outcome.troubles.append(f"{outcome.slowest_s:.1f} s is over the bound of {bound_s:.1f} s")
    return outcome


def _lost(image: Image, row: Mapping[str, Any] | None, stored: Callable[[str], bytes]) -> str:
    if row is None:
        return "no row"
    if row["status"] not in ("done", "failed") or not image.ended_s:
        return f"its row is {row['status']}, begun {row['attempts']} times"
    try:
        return "" if stored(row["storage_key"]) == image.data else "another image is stored"
    except (OSError, LookupError, StoreError, LocalError) as error:
        return f"no image is stored: {error}"


def _promised(image: Image) -> tuple[str, str | None]:
    """Return the end that an accepted image has to have: status and error code."""
    return ("failed", "worker_died") if image.poisoned else ("done", None)


def _right(image: Image, row: Mapping[str, Any]) -> bool:
    """Say whether a row that is done has the tile's probabilities, and the label they make."""
    known, told = expected()[image.tile_sha256], row["probabilities"] or {}
    return (
        told.keys() == known.keys()
        and all(abs(known[label] - told[label]) < SAME_PROBABILITY for label in known)
        and row["predicted_label"] == max(told, key=told.__getitem__)
    )
