"""The reckoning sees what must not be: an experiment that cannot fail shows nothing."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from store.database import Database
from store.predictions import Predictions
from store.records import NewPrediction, Outcome
from store.references import Reference
from tests.chaos import audit
from tests.chaos.burst import Image

BOUND_S = 5.0


class Lane:
    """A table with one finished image, as an experiment would find it."""

    def __init__(self, url: str) -> None:
        audit.install(url)
        self.url, self.database = url, Database(url, size=1)
        self.predictions = Predictions(self.database)
        tile = audit.TILES[0].read_bytes()
        self.digest = hashlib.sha256(tile).hexdigest()
        self.image = Image(uuid4(), "a.jpg", tile, self.digest, accepted=True)
        self.image.accepted_s = self.image.ended_s = time.monotonic()
        self.insert(self.image.request_id)
        self.finish()

    def insert(self, request_id: object) -> None:
        """Insert a row of the image's name."""
        row = NewPrediction(
            request_id=request_id,  # type: ignore[arg-type]
            lane="on-prem",
            image_name="a.jpg",
            content_type="image/jpeg",
            size_bytes=1,
            sha256=self.digest,
            reference=Reference(str(request_id)),
        )
        self.predictions.insert([row])

    def finish(self, **members: object) -> None:
        """Finish its row with the right result, or another."""
        known = dict(audit.expected()[self.digest])
        label = max(known, key=known.__getitem__)
        right = {
            "predicted_label": label, "confidence": known[label], "probabilities": known
        }  # fmt: skip
        self.predictions.finish([Outcome(str(self.image.request_id), "", **(right | members))])  # type: ignore[arg-type]

    def reckon(self, stored: bytes | None = None) -> audit.Outcome:
        """Compare; ``stored`` is what the image store has."""
        return audit.reckon(
            self.url,
            [self.image],
            lambda _: self.image.data if stored is None else stored,
            0.0,
            BOUND_S,
        )


@pytest.fixture
def lane(database_url: str) -> Lane:
    """Return a table in which all is well."""
    return Lane(database_url)


def test_what_is_well_is_said_to_be(lane: Lane) -> None:
    outcome = lane.reckon()
    assert (outcome.accepted, outcome.done, outcome.lost, outcome.duplicated) == (1, 1, 0, 0)
    assert outcome.troubles == []


def _reopened(lane: Lane) -> None:
    lane.database.query("UPDATE predictions SET status = 'pending'")
    lane.finish()


def _late(lane: Lane) -> None:
    lane.image.ended_s += BOUND_S + 1


def _twice(lane: Lane) -> None:
    lane.database.query("UPDATE predictions SET finished_at = clock_timestamp()")


def _failed(lane: Lane) -> None:
    lane.database.query("DELETE FROM predictions")
    lane.database.query("DELETE FROM chaos_audit")
    lane.insert(lane.image.request_id)
    lane.finish(
        predicted_label=None, confidence=None, probabilities=None, error_code="truncated_image"
    )


def _survived(lane: Lane) -> None:
    lane.image.poisoned = True


def _other_label(lane: Lane) -> None:
    lane.database.query("UPDATE predictions SET predicted_label = 'another'")


def _other_result(lane: Lane) -> None:
    lane.database.query(
        "UPDATE predictions SET probabilities = %s",
        (json.dumps(dict.fromkeys(audit.expected()[lane.digest], 0.1)),),
    )


@pytest.mark.parametrize(
    ("harm", "lost", "duplicated"),
    [
        (lambda lane: lane.database.query("DELETE FROM predictions"), 1, 0),
        (lambda lane: lane.database.query("UPDATE predictions SET status = 'running'"), 1, 1),
        (lambda lane: lane.insert(uuid4()), 0, 1),
        (_reopened, 0, 1),
        (_twice, 0, 1),
        (_failed, 0, 0),
        (_survived, 0, 0),
        (_other_label, 0, 1),
        (_other_result, 0, 1),
        (_late, 0, 0),
    ],
)
def test_what_must_not_be_is_seen(
    lane: Lane, harm: Callable[[Lane], object], lost: int, duplicated: int
) -> None:
    harm(lane)
    outcome = lane.reckon()
    assert (outcome.lost, outcome.duplicated) == (lost, duplicated)
    assert outcome.troubles


def test_an_object_that_is_gone_or_another_is_lost(lane: Lane) -> None:
    assert lane.reckon(stored=b"another").lost == 1
