"""GET /results and /results/<request_id>: predictions, newest first or by id."""

from __future__ import annotations

import time

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from api.errors import Problem
from api.schemas import (
    Prediction,
    ProblemDocument,
    RequestPath,
    ResultsOut,
    ResultsQuery,
    prediction_out,
)
from api.services import services

blueprint = APIBlueprint(
    "results", __name__, abp_tags=[Tag(name="results", description="Query predictions.")]
)


@blueprint.get("/results", responses={200: ResultsOut, 422: ProblemDocument})
def results(query: ResultsQuery) -> Response:
    """List predictions, newest first, a page at a time."""
    started = time.perf_counter()
    at_hand = services()
    if query.label is not None and query.label not in at_hand.labels:
        raise Problem(
            422,
            "unknown_label",
            f"label {query.label[:80]!r} is not a class of the model.",
            accepted_labels=at_hand.labels,
        )
    rows = at_hand.predictions.list(
        limit=query.limit,
        before_id=query.cursor,
        filters={
            "id": query.id,
            "request_id": str(query.request_id) if query.request_id else None,
            "predicted_label": query.label,
            "status": query.status,
            "lane": query.lane,
        },
    )
    return jsonify(
        count=len(rows),
        results=[prediction_out(row, at_hand.images.bucket) for row in rows],
        next_cursor=rows[-1]["id"] if len(rows) == query.limit else None,
        latency_ms=round((time.perf_counter() - started) * 1000, 3),
    )


@blueprint.get(
    "/results/<request_id>",
    responses={200: Prediction, 404: ProblemDocument, 422: ProblemDocument},
)
def result(path: RequestPath) -> Response:
    """Get one prediction by the id that its upload was answered with."""
    at_hand = services()
    rows = at_hand.predictions.get([str(path.request_id)])
    if not rows:
        raise Problem(404, "not_found", f"No image has the request_id {path.request_id}.")
    return jsonify(prediction_out(rows[0], at_hand.images.bucket))
