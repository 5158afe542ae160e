"""Every error leaves as one JSON shape: RFC 9457, problem details for HTTP APIs."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, json, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.admission import Overloaded
from api.services import services
from store.errors import StoreError, Unreadable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2


class Problem(Exception):
    """A request that cannot be served: an HTTP status, a stable code, and what is wrong.

    ``members`` are added to the answer, for what a program may want to know besides, and
    ``headers`` to its head.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.members = status, code, detail, members
        self.headers = headers or {}

    def as_dict(self) -> dict[str, Any]:
        """Return the members of the problem document."""
        return {
            "type": f"urn:skylane:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.members,
        }


def respond(problem: Problem) -> Response:
    """Make the answer that tells of ``problem``."""
    response = Response(
        json.dumps(problem.as_dict()), status=problem.status, content_type=MEDIA_TYPE
    )
    if problem.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    response.headers.update(problem.headers)
    return response


def invalid_parameters(error: ValidationError) -> Response:
    """Answer a query or path that does not fit its schema, naming each misfit."""
    misfits = [
        {"parameter": ".".join(map(str, one["loc"])) or "body", "message": one["msg"]}
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    if misfits[0]["parameter"] == "body":  # it is none of the fields, but the whole
        detail = "The body has to be a JSON object, with Content-Type: application/json."
        return respond(Problem(422, "invalid_parameter", detail, errors=misfits))
    detail = "; ".join(f"{misfit['parameter']}: {misfit['message']}" for misfit in misfits)
    return respond(Problem(422, "invalid_parameter", detail, errors=misfits))


def is_no_room(error: Exception) -> bool:
    """Return whether a disk of ours is full, which is no fault of a client's."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def register(app: Flask) -> None:
    """Turn every exception that a view may raise into a problem document."""

    @app.errorhandler(Problem)
    def _problem(error: Problem) -> Response:
        return respond(error)

    @app.errorhandler(Overloaded)
    def _overloaded(error: Overloaded) -> Response:
        g.overloaded = True  # for api.metrics
        answer = respond(Problem(429, "overloaded", str(error)))
        answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer

    @app.errorhandler(Unreadable)
    def _image(error: Unreadable) -> Response:
        return respond(Problem(404, "image_not_found", "The stored image is gone."))

    @app.errorhandler(StoreError)
    def _store(error: StoreError) -> Response:
        # What exactly broke is for the log; it may hold addresses and names.
        log.error("%s", error)
        return respond(
            Problem(503, "store_unavailable", "A store does not answer; try again shortly.")
        )

    @app.errorhandler(RequestEntityTooLarge)
    def _too_large(error: RequestEntityTooLarge) -> Response:
        at_hand = services()
        limit = request.max_content_length or at_hand.settings.max_body_bytes
        detail = f"This request may have {limit} bytes at most."
        if at_hand.images.bucket and limit < at_hand.settings.max_image_bytes:
            detail += " Larger images go straight to S3: POST /uploads/presign."
        return respond(Problem(413, "body_too_large", detail, max_bytes=limit))

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        code = error.name.lower().replace(" ", "_")
        problem = respond(Problem(error.code or 500, code, error.description or error.name))
        for name, value in error.get_headers():
            if name.lower() not in ("content-type", "content-length"):
                problem.headers[name] = value
        return problem

    @app.errorhandler(OSError)
    def _no_room(error: OSError) -> Response:
        if not is_no_room(error):
            return _unforeseen(error)
        log.error("no room for a request's files: %s", error)
        return respond(Problem(503, "store_unavailable", "There is no room; try again shortly."))

    @app.errorhandler(Exception)
    def _unforeseen(error: Exception) -> Response:
        log.exception("unforeseen error")
        return respond(Problem(500, "internal_error", "This is our fault, and it is logged."))
