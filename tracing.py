"""Traces by OpenTelemetry, where its own variables say to whom they go.

``OTEL_EXPORTER_OTLP_ENDPOINT`` turns it on; the SDK's other variables hold as well. Without it
nothing of OpenTelemetry is imported. The trace of an upload goes on in its image's row, not in
messages: the row is what a sweep, a second delivery and the other lane have in common.
"""

from __future__ import annotations

from settings import Settings

FLUSH_MS = 2000
_on = False


def configure(chosen: Settings, program: str) -> bool:
    """Send this process's spans, as of ``skylane-PROGRAM``; return whether to make any."""
    global _on
    if not chosen.traces_endpoint or _on:
        return _on
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {"service.name": f"skylane-{program}", "skylane.lane": chosen.lane}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _on = True
    return True


def on() -> bool:
    """Whether this process makes spans."""
    return _on


def current() -> str | None:
    """Return the trace that the caller is in, as a ``traceparent``; None without one."""
    if not _on:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def flush() -> None:
    """Send what is waiting to be sent: a Lambda environment is frozen after its answer."""
    if _on:
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider

        provider = trace.get_tracer_provider()
        assert isinstance(provider, TracerProvider)
        provider.force_flush(FLUSH_MS)
