"""How long an upload's caller wants to wait: ?wait=SECONDS, or RFC 7240's Prefer header."""

from __future__ import annotations

import math

from flask import request
from werkzeug.http import parse_dict_header

from api.errors import Problem

MAX_WAIT_S = 60.0


def wanted_wait(default_s: float, longest_s: float = MAX_WAIT_S) -> float:
    """Return the seconds to wait: the query's, else the header's, else ``default_s``.

    No more than ``longest_s``: who asks for more is answered then, 202 if need be.

    A query that makes no sense is an error. A preference that makes none is ignored, as
    the RFC has it, and a longer wait than there is becomes the longest one.

    Raises:
        Problem: ``?wait`` is not a number from 0 to 60.
    """
    if (text := request.args.get("wait")) is not None:
        seconds = _seconds(text)
        if seconds is None or not 0 <= seconds <= MAX_WAIT_S:
            raise Problem(
                422,
                "invalid_parameter",
                f"wait={text[:40]!r}: send seconds from 0 to {MAX_WAIT_S:.0f}.",
            )
        return min(seconds, longest_s)
    if "Prefer" not in request.headers:  # as in most uploads, each of which comes by here
        return default_s
    preferences = {
        name.lower(): value
        for header in request.headers.getlist("Prefer")
        for name, value in parse_dict_header(header.replace(";", ",")).items()
    }
    seconds = _seconds(preferences.get("wait") or "")
    if seconds is not None and seconds >= 0:
        # "respond-async, wait=10" means: asynchronously, unless it is done in ten seconds.
        return min(seconds, longest_s)
    return 0.0 if "respond-async" in preferences else default_s


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
