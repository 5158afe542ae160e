"""The page at ``/`` (see ui/), served beside the API on-prem. In the cloud a bucket serves it.

What is built is looked for once, at the start: after another build, start the API again.
"""

from __future__ import annotations

import logging
from pathlib import Path
from wsgiref.headers import Headers

from flask import Flask, Response
from flask_openapi3 import OpenAPI
from werkzeug.routing import MapAdapter

from api.headers import ALWAYS

YEAR_S = 365 * 86400
log = logging.getLogger(__name__)
HASHED = "/assets/"  # whose names change with what is in them
POLICY = {
    # Scripts are its own only. Images and API calls may go elsewhere: to the other lane, to S3.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob: https: http:;"
    " connect-src 'self' https: http:; style-src 'self' 'unsafe-inline'; object-src 'none';"
    " base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    **ALWAYS,
}
NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Skylane</title>
<h1>Skylane</h1>
<p>The API is here; its page was not built. Build it by <code>ui/build</code> in the project's
folder and start the API again, or start everything by <code>./run</code>, which builds it too.</p>
<ul>
<li><a href="openapi/swagger">Try every route</a>
<li><a href="results">Results</a>
<li><a href="stats">Statistics</a>
</ul>
</html>
"""


def register(app: OpenAPI, folder: Path) -> None:
    """Serve the page that was built into ``folder``, or say that none was.

    After all routes are registered: a file never takes the place of one.
    """
    if (folder / "index.html").is_file():
        _serve(app, folder)
        return
    log.warning("there is no page in %s; ui/build makes one in ui/dist", folder)

    @app.get("/", doc_ui=False)
    def not_built() -> Response:
        response = Response(NOT_BUILT, content_type="text/html; charset=utf-8")
        response.headers.update(POLICY)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _serve(app: Flask, folder: Path) -> None:
    from whitenoise import WhiteNoise

    def add_headers(headers: Headers, _: str, url: str) -> None:
        for name, value in POLICY.items():
            headers[name] = value
        # What is not hashed is asked for each time, which is mostly answered 304.
        immutable = f"public, max-age={YEAR_S}, immutable"
        headers["Cache-Control"] = immutable if url.startswith(HASHED) else "no-cache"

    files = WhiteNoise(
        app.wsgi_app,
        root=str(folder),
        index_file=True,
        allow_all_origins=False,
        add_headers_function=add_headers,
    )
    routes = app.url_map.bind("localhost")
    for path in list(files.files):
        if _is_routed(routes, path):
            del files.files[path]
    app.wsgi_app = files  # type: ignore[method-assign]


def _is_routed(routes: MapAdapter, path: str) -> bool:
    """Return whether a route has this path, by any method: a file there would answer them all."""
    return routes.test(path) or bool(routes.allowed_methods(path))
