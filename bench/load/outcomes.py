"""What became of each image: verified, not believed.

An answer is a promise. What counts is the row that the database has at the end, and that it says of
an image what the same service says of it alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg2
import requests

from bench.load.clock import Clocks, Exchange, compared
from bench.load.images import Image
from bench.load.rows import Row, rows_of
from bench.load.sender import Sent
from bench.load.target import Target

log = logging.getLogger(__name__)

What = Literal["done", "wrong", "failed", "refused", "unanswered", "unfinished", "lost"]
# In this order they are told. All but the first are errors.
OUTCOMES: tuple[What, ...] = (
    "done",  # committed, and the answer is right
    "wrong",  # committed, and it is not what this image gives by itself
    "failed",  # committed as failed
    "refused",  # answered with an error; a gateway's may hide that it was accepted
    "unanswered",  # no answer in time, or a connection that broke
    "unfinished",  # accepted, and not committed when the drain was over
    "lost",  # accepted, and without a row
)
LOOK_EVERY_S = 0.5
ASK_ABOUT = 1_000  # images at a look, at most: asking is load, too
# Of one image, alone and in a batch, probabilities differ by rounding. More is another image's.
ALIKE = 0.05
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What a service says of an image."""

    label: str | None
    confidence: float | None

    def alike(self, other: Answer) -> bool:
        """Whether both may be of one image."""
        if self.confidence is None or other.confidence is None:
            return self.label == other.label
        return self.label == other.label and abs(self.confidence - other.confidence) <= ALIKE


@dataclass(frozen=True)
class Outcome:
    """One image. Times are seconds from the run's beginning; None where there is none."""

    request_id: UUID
    image: str
    what: What
    code: str
    scheduled_s: float
    sent_s: float
    answered_s: float
    status: int | None
    accepted_s: float | None
    committed_s: float | None
    row: Row | None
    attempts: int = 1

    @property
    def committed_ms(self) -> float | None:
        """From when it was due until its outcome was committed."""
        return None if self.committed_s is None else (self.committed_s - self.scheduled_s) * 1000

    @property
    def answered_ms(self) -> float:
        """From when it was due until the request was answered."""
        return (self.answered_s - self.scheduled_s) * 1000


def drained(
    sent: Sequence[Sent], target: Target, drain_s: float, every_s: float = LOOK_EVERY_S
) -> dict[UUID, Row]:
    """Wait until what was accepted is at its end, or ``drain_s`` are over; return all rows.

    Raises:
        requests.RequestException, psycopg2.Error: even then the rows cannot be read.
    """
    accepted = [one for request in sent if request.accepted for one in request.due.ids]
    others = [one for request in sent if not request.accepted for one in request.due.ids]
    found: dict[UUID, Row] = {}
    away: type[Exception] | None = None
    deadline_s = time.monotonic() + drain_s
    while waiting := [one for one in accepted if one not in found or not found[one].finished]:
        if time.monotonic() > deadline_s:
            break
        try:
            found |= rows_of(target, waiting[:ASK_ABOUT])  # work is done in order, nearly
        except (requests.RequestException, psycopg2.Error) as error:  # it may come back
            if type(error) is not away:  # once, and without a hundred ids in it
                log.warning(
                    "rows cannot be read, and are asked for again: %s", type(error).__name__
                )
            away = type(error)
        time.sleep(every_s)
    # What was not accepted may have a row all the same, for which nobody waited.
    return found | rows_of(target, [*waiting, *others])


@dataclass(frozen=True)
class Known:
    """What a service says of itself, and of each image when it has nothing else to do.

    With so little to do these are also the exchanges that tell best how far the clocks are apart;
    theirs on our side are by ``time.monotonic``.
    """

    about: Mapping[str, Any]
    answers: Mapping[str, Answer]
    exchanges: Sequence[Exchange]


def alone(images: Sequence[Image], target: Target, about: Mapping[str, Any]) -> Known:
    """Ask a service about each image by itself. ``about`` is what it says of itself.

    Raises:
        requests.RequestException: it does not answer.
        TimeoutError: it has no answer to one within a minute.
    """
    answers, exchanges = {}, []
    with requests.Session() as session:
        for image in images:
            one = uuid4()
            url = target.to(f"/upload?wait=0&request_id={one}")
            headers = target.headers("POST", url, image.data, {"Content-Type": image.media_type})
            sent_s = time.monotonic()
            answer = session.post(url, data=image.data, headers=headers, timeout=TIMEOUT_S)
            answered_s = time.monotonic()
            answer.raise_for_status()
            row = _finished(target, one)
            answers[image.name] = Answer(row.label, row.confidence)
            exchanges.append(Exchange(sent_s, row.accepted, answered_s))
    return Known(about, answers, exchanges)


def judged(
    sent: Sequence[Sent],
    rows: Mapping[UUID, Row],
    known: Known,
    began_s: float,
) -> tuple[list[Outcome], Clocks | None]:
    """Return what became of each image, and how the clocks compare by all exchanges.

    ``began_s`` is the run's beginning by ``time.monotonic``.
    """
    own = [
        Exchange(request.sent_s, rows[one].accepted, request.answered_s)
        for request in sent
        if request.accepted
        for one in request.due.ids
        if one in rows
    ]
    quiet = [
        Exchange(one.sent_s - began_s, one.accepted, one.answered_s - began_s)
        for one in known.exchanges
    ]
    clocks = compared([*own, *quiet])
    outcomes = []
    for request in sent:
        for number, (one, image) in enumerate(
            zip(request.due.ids, request.due.images, strict=True)
        ):
            row = rows.get(one)
            accepted_s = committed_s = None
            if row and clocks:
                accepted_s = clocks.ours(row.accepted)
                if row.latency_ms is not None:
                    committed_s = accepted_s + row.latency_ms / 1000
            outcomes.append(
                Outcome(
                    request_id=one,
                    image=image.name,
                    what=_what(request, number, row, known.answers.get(image.name)),
                    code=(row.error if row and row.error else request.code),
                    scheduled_s=request.due.at_s,
                    sent_s=request.sent_s,
                    answered_s=request.answered_s,
                    status=request.status,
                    accepted_s=accepted_s,
                    committed_s=committed_s,
                    row=row,
                    attempts=request.attempts,
                )
            )
    return outcomes, clocks


def _what(request: Sent, number: int, row: Row | None, expected: Answer | None) -> What:
    if request.status is None:
        return "unanswered"
    if row and row.status == "failed":
        return "failed"
    if not request.accepted or number in request.refused:
        return "refused"
    if row is None:
        return "lost"
    if row.status != "done":
        return "unfinished"
    if expected and not Answer(row.label, row.confidence).alike(expected):
        return "wrong"
    return "done"


def _finished(target: Target, one: UUID) -> Row:
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        row = rows_of(target, [one]).get(one)
        if row and row.finished:
            return row
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{target.url} has no answer to one image after {TIMEOUT_S:.0f} s")
        time.sleep(0.02)
