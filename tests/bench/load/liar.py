"""An API that keeps its promises as badly as it is told to: what the bench has to find out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server


class Liar:
    """Answers like a Skylane. ``behave`` says of the n-th upload what becomes of it."""

    def __init__(self, behaviours: list[str], stall_s: float = 0.0, threaded: bool = True) -> None:
        self.url = ""
        self._behaviours = behaviours
        self._stall_s = stall_s
        self.threaded = threaded
        self._rows: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def app(self) -> Flask:
        """Return the application."""
        app = Flask(__name__)
        app.post("/upload")(self._upload)
        app.get("/results")(self._results)
        app.get("/about")(lambda: jsonify(lane="on-prem"))
        return app

    def _upload(self) -> tuple[Response, int]:
        with self._lock:
            what = self._behaviours.pop(0) if self._behaviours else "done"
        time.sleep(self._stall_s)
        one = request.args["request_id"]
        if what == "broken":  # and stays so
            self._behaviours.insert(0, "broken")
            return jsonify(code="broken"), 500
        if what == "refused":
            return jsonify(code="too_busy"), 429
        if what.startswith("later "):  # and when
            answer = jsonify(code="too_busy")
            answer.headers["Retry-After"] = what.removeprefix("later ")
            return answer, 429
        if what.startswith("says "):  # JSON, but no object
            return Response(what.removeprefix("says "), mimetype="application/json"), 502
        if what == "hang":
            time.sleep(3)
        if what.startswith("accepts "):  # and says something else of it
            text = what.removeprefix("accepts ")
            self._rows[one] = _row(one, "done")
            return Response(text, mimetype="application/json"), 202
        if what != "lost":
            self._rows[one] = _row(one, what)
        return jsonify(status="pending"), 202

    def _results(self) -> Response:
        ids = request.args.getlist("request_id")
        return jsonify(results=[self._rows[one] for one in ids if one in self._rows])


def _row(one: str, what: str) -> dict[str, Any]:
    return {
        "request_id": one,
        "status": {"failed": "failed", "unfinished": "running"}.get(what, "done"),
        "lane": "on-prem",
        "predicted_label": "River" if what == "wrong" else "Forest",
        "confidence": 0.2 if what == "another" else 0.9,
        "error": {"code": "truncated_image"} if what == "failed" else None,
        "accepted_at": datetime.now(UTC).isoformat(),
        "latency_ms": None if what == "unfinished" else 5.0,
        **dict.fromkeys(("queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms"), 1.0),
        "batch_size": 1,
        "cold_start": False,
        "worker": "w",
    }


@contextmanager
def lying(liar: Liar) -> Iterator[str]:
    """Serve it on loopback and give its address."""
    server = make_server("127.0.0.1", 0, liar.app(), threaded=liar.threaded)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
