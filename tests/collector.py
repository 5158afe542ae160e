"""A collector of OpenTelemetry's traces: OTLP by HTTP, as any of them takes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """What a test asks of a span."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    ms: float
    attributes: dict[str, str]


@dataclass
class Collector:
    """Where it is, and what came."""

    url: str
    spans: list[Span] = field(default_factory=list)

    def of(self, trace_id: str) -> list[Span]:
        """Return the spans of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]


@contextmanager
def collector() -> Iterator[Collector]:
    """Run one on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                found.spans.extend(_read(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def _read(body: bytes) -> list[Span]:
    told = ExportTraceServiceRequest()
    told.ParseFromString(body)
    return [
        Span(
            service=next(
                one.value.string_value
                for one in resource.resource.attributes
                if one.key == "service.name"
            ),
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            ms=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
            attributes={one.key: one.value.string_value for one in span.attributes},
        )
        for resource in told.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
