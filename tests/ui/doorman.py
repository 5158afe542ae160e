"""A doorman before a real API, as a gateway is: he asks for a key, or says that it is too much."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import requests

HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "content-encoding")
CHUNK_BYTES = 64

# What he answers instead of the API: a status and headers; or None, and the request goes on.
# With status 0 it goes on as well, and he keeps the answer to himself and hangs up.
Refusal = tuple[int, dict[str, str]]
LOST: Refusal = (0, {})
Judge = Callable[[BaseHTTPRequestHandler], Refusal | None]


class Doorman:
    """Passes requests on to ``api_url``, streams too, unless ``judge`` refuses them."""

    def __init__(self, api_url: str, judge: Judge) -> None:
        self.refused = 0

        doorman = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                doorman.meet(self)

            do_POST = do_DELETE = do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._api_url = api_url
        self._judge = judge
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def meet(self, client: BaseHTTPRequestHandler) -> None:
        """Answer one request: refuse it, or have the API answer."""
        body = client.rfile.read(int(client.headers.get("Content-Length") or 0))
        refusal = self._judge(client)
        self.refused += refusal is not None
        if refusal and refusal != LOST:
            status, headers = refusal
            client.send_response_only(status)
            for name, value in headers.items():
                client.send_header(name, value)
            client.end_headers()
            return
        with requests.request(
            client.command,
            self._api_url + client.path,
            data=body,
            headers={
                name: value
                for name, value in client.headers.items()
                if name.lower() not in (*HOP_BY_HOP, "host", "accept-encoding")
            },
            stream=True,
            timeout=60,
            allow_redirects=False,
        ) as response:
            if refusal == LOST:
                client.close_connection = True
                return
            client.send_response_only(response.status_code)
            for name, value in response.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    client.send_header(name, value)
            client.end_headers()
            # In small pieces: an event of a stream is wanted now, and not when there are more.
            for piece in response.iter_content(CHUNK_BYTES):
                client.wfile.write(piece)
                client.wfile.flush()


class Stopped(Doorman):
    """Takes a batch and holds its answer back until ``go``."""

    def __init__(self, api_url: str) -> None:
        super().__init__(api_url, lambda _: None)
        self.held = threading.Event()
        self.go = threading.Event()

    def meet(self, client: BaseHTTPRequestHandler) -> None:
        """Answer one request, a batch only once that is wanted."""
        if client.path.startswith("/upload_batch"):
            length = int(client.headers["Content-Length"])
            body = client.rfile.read(length)
            client.rfile = io.BufferedReader(io.BytesIO(body))
            self.held.set()
            self.go.wait()
        super().meet(client)
