"""GET /events: each change of some predictions as it comes, by Server-Sent Events.

https://html.spec.whatwg.org/multipage/server-sent-events.html. A stream holds one of the server's
threads, so there are few of them at a time: a page asks for all of its images by one.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Response, current_app, request
from flask_openapi3 import APIBlueprint, Tag

from api import keys
from api.errors import Problem
from api.filters import EventsQuery
from api.schemas import ProblemDocument, prediction_out
from api.services import Services, services
from store.errors import StoreError
from store.predictions import Row

log = logging.getLogger(__name__)
blueprint = APIBlueprint(
    "events",
    __name__,
    abp_tags=[Tag(name="results", description="Query predictions.")],
    abp_responses={503: ProblemDocument},
)

RETRY_MS = 1000  # after which a client whose stream broke comes again
LOOK_EVERY_S = 0.5  # for what nobody is notified of: rows that appear, and work that begins
SILENCE_S = 15.0  # after which a comment says that the stream lives; proxies end what is silent
LONGEST_S = 300.0  # then the client comes again, and nothing it left behind stays for ever

# Whether this process is told to end (see gunicorn.py beside this).
stopping: Callable[[], bool] = bool


@blueprint.get(
    "/events",
    responses={
        200: {
            "description": "`prediction` events, with a Prediction as data, then one `end`",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        414: ProblemDocument,
        422: ProblemDocument,
        501: ProblemDocument,
        503: ProblemDocument,
    },
)
def events(query: EventsQuery) -> Response:
    """Follow some predictions: the state that each is in, then each change, until all are done.

    An id that has no row yet is waited for. The stream breaks off after five minutes, when the
    server ends, and when its key is revoked; the client comes again and is told every state anew.
    """
    at_hand = services()
    if at_hand.settings.lane == "serverless":
        raise Problem(
            501,
            "no_event_stream",
            "A function's answer is no stream: ask GET /results with each `request_id`.",
        )
    if not at_hand.streams.acquire(blocking=False):
        raise Problem(
            503, "too_many_streams", "As many streams are open as there may be; try again shortly."
        )
    response = Response(
        _lines(
            {str(one) for one in query.request_id},
            at_hand,
            current_app.json.dumps,
            gone=_gone(),
            permitted=keys.still_live(),
        ),
        content_type="text/event-stream",
    )
    # Not in the generator, which is never begun if the client leaves at once.
    response.call_on_close(at_hand.streams.release)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx passes each event on as it comes
    return response


def _lines(
    request_ids: Iterable[str],
    at_hand: Services,
    written: Callable[[Any], str],
    *,
    gone: Callable[[], bool],
    permitted: Callable[[], bool],
) -> Iterator[str]:
    """Yield the stream, an event at a time."""
    yield f"retry: {RETRY_MS}\n\n"
    said_at = time.monotonic()
    ends_at = said_at + LONGEST_S
    for rows in _changes(request_ids, at_hand):
        try:
            if not permitted():
                return
        except StoreError:  # nobody knows, and its client may ask who does
            return
        for row in rows:
            data = written(prediction_out(row, at_hand.images.bucket))
            yield f"event: prediction\nid: {row['request_id']}\ndata: {data}\n\n"
        now = time.monotonic()
        if rows:
            said_at = now
        elif now - said_at >= SILENCE_S:
            yield ": nothing new\n\n"
            said_at = now
        if now >= ends_at or stopping() or gone():
            return
    yield "event: end\ndata: {}\n\n"  # an event without data is none


def _changes(request_ids: Iterable[str], at_hand: Services) -> Iterator[list[Row]]:
    """Yield the rows whose state is new, or none of them, every now and then until all are done."""
    told: dict[str, str] = {}  # the state that each was last seen in
    left = set(request_ids)
    away = False
    look_at = time.monotonic()
    # From before the first look: what is finished between the two is told by one of them.
    with at_hand.finished.follow(left) as follower:
        while left:
            rows = {row["request_id"]: row for row in follower.news(look_at - time.monotonic())}
            if time.monotonic() >= look_at:
                try:
                    states = at_hand.predictions.states(left)
                    changed = [one for one in states if states[one] != told.get(one)]
                    rows = {row["request_id"]: row for row in at_hand.predictions.get(changed)}
                    left -= told.keys() - states.keys()  # deleted, and nothing comes of them
                    away = False
                except StoreError as error:  # it may be back by the next look, and nothing is lost
                    if not away:
                        log.warning("a stream of events waits for the database: %s", error)
                    away = True
                look_at = time.monotonic() + LOOK_EVERY_S
            new = [row for one, row in rows.items() if one in left]
            told |= {row["request_id"]: row["status"] for row in new}
            left -= {row["request_id"] for row in new if row["status"] in ("done", "failed")}
            yield new


def _gone() -> Callable[[], bool]:
    """Return what says whether the client has closed its end, as far as the server tells."""
    socket = request.environ.get("gunicorn.socket")
    closed = getattr(select, "POLLRDHUP", 0)
    if socket is None or not closed:  # found out by the next thing that is sent
        return bool
    peer = select.poll()
    peer.register(socket, closed)
    return lambda: bool(peer.poll(0))
