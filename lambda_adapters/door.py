"""One event of a front door to the app and back."""

from __future__ import annotations

import json
import logging
from typing import Any

import serverless_wsgi
from flask import Flask

from api.errors import MEDIA_TYPE, Problem
from lambda_adapters.stages import Event, without_stage

log = logging.getLogger(__name__)


def answer(app: Flask, event: Event, context: Any) -> dict[str, Any]:
    """Answer one request. What is no request of any door is told so: 400, ``bad_request``."""
    try:
        told: dict[str, Any] = serverless_wsgi.handle_request(app, without_stage(event), context)
    except Exception:
        # Not the app's, which answers whatever it raises. An exception here would be a 502.
        log.exception("an event that is no request")
        problem = Problem(400, "bad_request", "The event is no request of a known front door.")
        return {
            "statusCode": problem.status,
            "headers": {"Content-Type": MEDIA_TYPE},
            "body": json.dumps(problem.as_dict()),
            "isBase64Encoded": False,
        }
    return told
