"""The work on an image as spans of the trace that its upload began."""

from __future__ import annotations

import time
from collections.abc import Sequence

import tracing
from store.records import Outcome

STAGES = ("fetch", "decode", "infer", "record")
NS_PER_MS = 1_000_000


def tell(outcomes: Sequence[Outcome | None]) -> None:
    """Make a span of each image's work, just ended, with one of each stage below it.

    Stages take turns, so where each began is known from how long those after it took. They are
    the batch's, and so alike in the traces of all its images.
    """
    if not tracing.on():
        return
    from opentelemetry import trace
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    tracer = trace.get_tracer("skylane.classify")
    ended_ns = time.time_ns()  # spans are laid on the wall clock; their lengths are not from it
    for outcome in outcomes:
        if not outcome:
            continue
        lengths_ns = [int((getattr(outcome, f"{name}_ms") or 0) * NS_PER_MS) for name in STAGES]
        at_ns = ended_ns - sum(lengths_ns)
        known = {"traceparent": outcome.traceparent} if outcome.traceparent else {}
        span = tracer.start_span(
            "classify",
            context=TraceContextTextMapPropagator().extract(known),
            kind=SpanKind.CONSUMER,
            start_time=at_ns,
            attributes={
                "skylane.key": outcome.key,
                "skylane.queue_ms": outcome.queue_ms or 0.0,
                "skylane.attempts": outcome.attempts or 0,
                "skylane.batch_size": outcome.batch_size or 0,
                "skylane.cold_start": bool(outcome.cold_start),
                "skylane.model_version": outcome.model_version or "",
                "skylane.label": outcome.predicted_label or "",
            },
        )
        if outcome.error_code:
            span.set_status(StatusCode.ERROR, outcome.error_code)
        below = trace.set_span_in_context(span)
        for name, length_ns in zip(STAGES, lengths_ns, strict=True):
            tracer.start_span(name, context=below, start_time=at_ns).end(at_ns + length_ns)
            at_ns += length_ns
        span.end(ended_ns)
