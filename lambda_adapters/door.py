"""One event of a front door to the app and back."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

import serverless_wsgi
from flask import Flask

from api.errors import MEDIA_TYPE, RETRY_AFTER_S, Problem
from api.headers import OF_DATA
from lambda_adapters.stages import Event, without_stage
from store.errors import StoreError

log = logging.getLogger(__name__)


class _Called:
    """The app, and whether it was given a request: what goes wrong from then on is our fault."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.was = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self._app.request_context(environ)  # which is all that Flask does without a handler
        self.was = True
        return self._app(environ, start_response)


def answer(app: Flask, event: Event, context: Any) -> dict[str, Any]:
    """Answer one request. What is no request of any door is told so: 400, ``bad_request``.

    The app answers whatever its views raise. Not so what comes after that, as an export does that
    fails at its second page: 503 or 500, which the door counts and has an alarm for.
    """
    called = _Called(app)
    try:
        told: dict[str, Any] = serverless_wsgi.handle_request(called, without_stage(event), context)
    except Exception as error:
        # An exception of this function would be a 502.
        if not called.was:
            log.exception("an event that is no request")
            return _told(400, "bad_request", "The event is no request of a known front door.")
        log.exception("an answer that broke off")
        if isinstance(error, StoreError):
            detail = "A store does not answer; try again shortly."
            return _told(503, "store_unavailable", detail)
        return _told(500, "internal_error", "This is our fault, and it is logged.")
    return told


def _told(status: int, code: str, detail: str) -> dict[str, Any]:
    retry = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    return {
        "statusCode": status,
        "headers": {"Content-Type": MEDIA_TYPE, **OF_DATA, **retry},
        "body": json.dumps(Problem(status, code, detail).as_dict()),
        "isBase64Encoded": False,
    }
