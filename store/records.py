"""What goes into a prediction's row, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from store.references import Reference

# Error codes that are no fault of the image's: sent once more, it may be classified.
NO_PREDICTION = "no_prediction"  # the model's answer was no probabilities
OURS = ("worker_died", "image_missing", NO_PREDICTION)


@dataclass(frozen=True)
class NewPrediction:
    """An accepted image, as it is inserted: stored already, not yet enqueued."""

    request_id: UUID
    lane: str
    image_name: str
    content_type: str
    size_bytes: int
    sha256: str | None  # None of an object that did not come through the API
    reference: Reference
    true_label: str | None = None
    traceparent: str | None = None  # the trace that it came with


@dataclass(frozen=True)
class Outcome:
    """What became of one image: a label, or an error code. Times in ms, memory in MB."""

    key: str
    version: str
    predicted_label: str | None = None
    confidence: float | None = None
    probabilities: dict[str, float] | None = None
    error_code: str | None = None
    error_detail: str | None = None
    fetch_ms: float | None = None
    decode_ms: float | None = None
    infer_ms: float | None = None
    # These are of the row's making, and are here for whoever tells of the work.
    attempts: int | None = None
    queue_ms: float | None = None
    traceparent: str | None = None
    record_ms: float | None = None
    model_version: str | None = None
    worker: str | None = None
    batch_size: int | None = None
    cold_start: bool | None = None
    cpu_percent: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class Begun:
    """Work that was claimed: the how-manieth try, how long the image waited, its trace."""

    attempts: int
    queue_ms: float
    traceparent: str | None


@dataclass(frozen=True)
class Progress:
    """How far the work on an image is: ``attempts`` says how often it was begun."""

    finished: bool
    attempts: int


@dataclass(frozen=True)
class Stale:
    """What a sweep found.

    ``lost`` was never begun: its message may be gone, or waits in a long queue.
    ``suspects`` were begun and left, so one of them may have killed its worker; those that were
    begun most often come last.
    """

    lost: list[Reference]
    suspects: list[Reference]
    given_up: int

    @property
    def touched(self) -> int:
        """How many rows that is."""
        return len(self.lost) + len(self.suspects) + self.given_up
