"""Headers that keep browsers from doing with an answer what it is not for, on every answer.

What the page needs is its own affair (see page.py beside this), and so are images.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache

from flask import Flask, Response, request

from settings import Settings

YEAR_S = 365 * 86400
# Without the policy of what may be loaded: for whatever shows something.
ALWAYS = {
    # A browser must not take an image for anything but the type that we say it has.
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
OF_DATA = ALWAYS | {"Content-Security-Policy": DATA_POLICY}  # whoever answers it
# Of the pages that try the API out: theirs are a script within the page, and styles by scripts.
TRYING_POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
KEY_HEADERS = "X-API-Key, Authorization"


def register(app: Flask, chosen: Settings) -> None:
    """Add them to all that the app answers, and keep shared caches away from data."""

    @app.after_request
    def _add(response: Response) -> Response:
        for name, value in ALWAYS.items():
            response.headers[name] = value
        if "Content-Security-Policy" not in response.headers:
            policy = DATA_POLICY
            if response.mimetype == "text/html" and not response.direct_passthrough:
                policy = _trying_policy(response.get_data())
            response.headers["Content-Security-Policy"] = policy
        if request.headers.get("X-Forwarded-Proto", request.scheme) == "https":
            response.headers["Strict-Transport-Security"] = f"max-age={YEAR_S}"
        if chosen.keys_required:
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.add("Vary", KEY_HEADERS)
        return response


@lru_cache(maxsize=8)
def _trying_policy(page: bytes) -> str:
    """Allow the scripts in a page of ours by what they are, and no others."""
    digests = (hashlib.sha256(script).digest() for script in INLINE_SCRIPT.findall(page))
    allowed = (f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return TRYING_POLICY.format(scripts=" ".join(allowed))
