"""A log line for each request, with the request ids of the images that it brought."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

log = logging.getLogger(__name__)
QUIET = {"/health", "/ready", "/metrics"}  # asked every few seconds, by machines


def register(app: Flask) -> None:
    """Log every request once it is answered."""

    @app.before_request
    def _begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def _log(response: Response) -> Response:
        if log.isEnabledFor(logging.INFO) and request.path not in QUIET:
            took_ms = round((time.perf_counter() - g.began) * 1000, 3)
            log.info(
                "%s %s %d",
                request.method,
                request.path,
                response.status_code,
                extra={
                    "method": request.method,
                    "path": request.path,
                    "status": response.status_code,
                    "took_ms": took_ms,
                    "client": request.remote_addr,
                    "key": key.name if (key := g.get("key")) else None,
                    "request_ids": g.get("request_ids", []),
                },
            )
        return response
