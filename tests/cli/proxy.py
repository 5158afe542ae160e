"""A proxy before a real API that makes trouble: what networks and busy servers do."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import requests

# What happens to an upload. "busy" is refused; "lost" arrives and its answer does not;
# "silent" neither arrives nor is answered; "late" is answered before it is classified.
Trouble = Literal["none", "busy", "lost", "silent", "late"]

HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "content-encoding")


class Proxy:
    """Passes requests on to ``api_url``; the uploads with the troubles given, in turn.

    The last trouble is that of all further uploads. Uploads of more than ``max_body``
    bytes are answered 413, and the first ``busy_questions`` that are no uploads 429.
    """

    def __init__(
        self,
        api_url: str,
        troubles: Sequence[Trouble] = ("none",),
        max_body: int = 10**9,
        busy_questions: int = 0,
    ) -> None:
        self.uploads = 0  # that were passed on
        self.authorizations: set[str | None] = set()  # that requests came with
        self.silent = threading.Event()  # an upload is not being answered
        self.ended = threading.Event()
        self._api_url = api_url
        self._troubles = list(troubles)
        self._max_body = max_body
        self._busy_questions = busy_questions
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.question(self)

            def do_POST(self) -> None:
                proxy.upload(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def question(self, client: BaseHTTPRequestHandler) -> None:
        """Pass on what is no upload, if it is not one of the first."""
        self.authorizations.add(client.headers.get("Authorization"))
        with self._lock:
            self._busy_questions -= 1
            busy = self._busy_questions >= 0
        if busy:
            body = b'{"code": "rate_limited", "detail": "More than 1 request."}'
            self._answer(client, 429, body, {"Retry-After": "0.2"})
        else:
            self.forward(client, b"")

    def upload(self, client: BaseHTTPRequestHandler, body: bytes) -> None:
        """Take an upload, with its trouble."""
        self.authorizations.add(client.headers.get("Authorization"))
        with self._lock:
            trouble = self._troubles.pop(0) if len(self._troubles) > 1 else self._troubles[0]
        if len(body) > self._max_body:
            self._answer(client, 413, b'{"code": "body_too_large", "detail": "too large"}')
        elif trouble == "busy":
            self._answer(client, 503, b'{"code": "busy", "detail": "busy"}', {"Retry-After": "0.2"})
        elif trouble == "silent":
            self.silent.set()
            self.ended.wait()
        else:
            self.uploads += 1
            if trouble == "late":
                client.path = client.path.partition("?")[0] + "?wait=0"
            self.forward(client, body, answer=trouble != "lost")

    def forward(self, client: BaseHTTPRequestHandler, body: bytes, answer: bool = True) -> None:
        """Pass a request on, and its answer back."""
        response = requests.request(
            client.command,
            self._api_url + client.path,
            data=body,
            headers={"Content-Type": client.headers.get("Content-Type", "")},
            timeout=60,
        )
        if answer:
            self._answer(client, response.status_code, response.content, dict(response.headers))
        client.close_connection = True

    def _answer(
        self,
        client: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        client.send_response_only(status)
        for name, value in (headers or {}).items():
            if name.lower() not in HOP_BY_HOP:
                client.send_header(name, value)
        client.send_header("Content-Length", str(len(body)))
        client.end_headers()
        client.wfile.write(body)
