"""Whole answers to requests that the app never sees: the server gives them up, or reads none.

They are problem documents as all others (RFC 9457), and nothing of a request is in them.
"""

from __future__ import annotations

import json

from gunicorn.http import errors

from api.headers import OF_DATA

RETRY_AFTER_S = 2
SOON = {408, 503}  # the same request may do better then


def problem(status: int, reason: str, code: str, detail: str) -> bytes:
    """Return an answer, after which the connection ends."""
    members = {
        "type": f"urn:skylane:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
    }
    body = json.dumps(members).encode()
    headers = {
        "Content-Type": "application/problem+json",
        "Content-Length": len(body),
        **({"Retry-After": RETRY_AFTER_S} if status in SOON else {}),
        "Connection": "close",
        **OF_DATA,
    }
    lines = (f"HTTP/1.1 {status} {reason}", *(f"{name}: {headers[name]}" for name in headers))
    return "\r\n".join((*lines, "", "")).encode() + body


TOO_SLOW = problem(
    408, "Request Timeout", "request_too_slow", "The request took too long to arrive."
)
TOO_LONG = problem(431, "Request Header Fields Too Large", "head_too_large", "Too many headers.")
NO_ROOM = problem(503, "Service Unavailable", "too_many_requests_arriving", "Try again shortly.")
OUR_FAULT = problem(
    500, "Internal Server Error", "internal_error", "This is our fault, and it is logged."
)
MALFORMED = problem(
    400, "Bad Request", "malformed_request", "What was sent is no request by RFC 9112."
)
OTHERS: tuple[tuple[type[Exception], bytes], ...] = (
    (errors.InvalidResponseHeader, OUR_FAULT),
    (errors.InvalidResponseHeaderName, OUR_FAULT),
    (errors.ConfigurationProblem, OUR_FAULT),
    (errors.LimitRequestHeaders, TOO_LONG),
    (
        errors.LimitRequestLine,
        problem(414, "URI Too Long", "uri_too_long", "The request's first line is too long."),
    ),
    (
        errors.ExpectationFailed,
        problem(417, "Expectation Failed", "expectation_failed", "Only 100-continue is known."),
    ),
    (
        errors.UnsupportedTransferCoding,
        problem(501, "Not Implemented", "unsupported_transfer_coding", "Only chunked is known."),
    ),
    (errors.ParseException, MALFORMED),
)


def of_error(error: Exception) -> bytes:
    """Return what is answered where ``error`` ended the work on a request."""
    return next((answer for kind, answer in OTHERS if isinstance(error, kind)), OUR_FAULT)
