"""What is known of one image, from its path to its outcome."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

STAGES = ("queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms", "latency_ms")
# What is written of a row, in this order.
FIELDS = (
    "path",
    "request_id",
    "status",
    "predicted_label",
    "confidence",
    "true_label",
    "error_code",
    "error_detail",
    *STAGES,
)
UNFINISHED = ("pending", "running")


@dataclass(frozen=True, slots=True)
class Row:
    """One image.

    ``status`` is the API's (pending, running, done, failed, rejected) or, where the API
    has not said: ``not_sent``, and ``unanswered`` for what may or may not have arrived.
    """

    number: int  # in the order of the command line
    path: str
    true_label: str | None = None
    status: str = "not_sent"
    request_id: str | None = None
    attempts: int = 0
    predicted_label: str | None = None
    confidence: float | None = None
    error_code: str | None = None
    error_detail: str | None = None
    queue_ms: float | None = None
    fetch_ms: float | None = None
    decode_ms: float | None = None
    infer_ms: float | None = None
    record_ms: float | None = None
    latency_ms: float | None = None

    @property
    def unfinished(self) -> bool:
        """Whether the API has it and has no outcome yet."""
        return self.status in UNFINISHED

    @property
    def wrong(self) -> bool:
        """Whether it is classified as something that it is known not to be."""
        return bool(
            self.status == "done" and self.true_label and self.true_label != self.predicted_label
        )

    def answered(self, document: dict[str, Any]) -> Row:
        """Return the row with what the API says of the image."""
        error = document.get("error") or {}
        stages: dict[str, Any] = {stage: document.get(stage) for stage in STAGES}
        return replace(
            self,
            status=document["status"],
            request_id=document.get("request_id"),
            attempts=document.get("attempts", 0),
            predicted_label=document.get("predicted_label"),
            confidence=document.get("confidence"),
            error_code=error.get("code"),
            error_detail=error.get("detail"),
            **stages,
        )

    def failed(self, status: str, code: str, detail: str) -> Row:
        """Return the row with an error that the API did not name."""
        return replace(self, status=status, error_code=code, error_detail=detail)

    def as_dict(self) -> dict[str, Any]:
        """Return what is written of the row."""
        return {**{name: getattr(self, name) for name in FIELDS}, "path": showable(self.path)}


def showable(text: str) -> str:
    """Return ``text`` fit for a terminal and for UTF-8.

    A file's name is any bytes: they may be no UTF-8, or move a terminal's cursor.
    """
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)
