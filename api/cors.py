"""Cross-origin requests, for pages that are served from elsewhere: by an allow-list.

In the cloud API Gateway does this.
"""

from __future__ import annotations

import re

from flask import Flask

EXPOSED = ["Location", "Retry-After", "Content-Disposition", "RateLimit", "WWW-Authenticate"]
PREFLIGHT_VALID_S = 600  # that a browser does not ask again


def register(app: Flask, origins: str) -> None:
    """Let pages of ``origins`` (separated by commas, or ``*`` for all) use this API."""
    if not origins:
        return
    from flask_cors import CORS

    # As patterns, because what the library takes for one by its look would match other things.
    listed = [re.compile(re.escape(one.strip()) + r"\Z") for one in origins.split(",")]
    CORS(
        app,
        origins="*" if origins == "*" else listed,
        send_wildcard=origins == "*",
        expose_headers=EXPOSED,
        max_age=PREFLIGHT_VALID_S,
    )
