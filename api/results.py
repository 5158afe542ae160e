"""GET /results, /results.csv and /results/<request_id>: predictions by pages, all, or by id."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from flask import Response, jsonify, stream_with_context
from flask_openapi3 import APIBlueprint, Tag

from api.errors import Problem
from api.filters import MAX_LIMIT, ResultsFilter, ResultsQuery
from api.schemas import Prediction, ProblemDocument, RequestPath, ResultsOut, prediction_out
from api.services import Services, services
from store.references import Reference

blueprint = APIBlueprint(
    "results",
    __name__,
    abp_tags=[Tag(name="results", description="Query predictions.")],
    abp_responses={503: ProblemDocument},
)

CSV_FIELDS = (
    *("id", "request_id", "image_name", "status", "predicted_label", "confidence", "true_label"),
    *("error_code", "lane", "model_version", "attempts", "batch_size", "cold_start", "accepted_at"),
    *("finished_at", "queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms", "latency_ms"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MAX_CSV_ROWS = 10_000  # in the cloud, where an answer may have 6 MB


@blueprint.get("/results", responses={200: ResultsOut, 414: ProblemDocument, 422: ProblemDocument})
def results(query: ResultsQuery) -> Response:
    """List predictions a page at a time, newest first if nothing else is said."""
    started = time.perf_counter()
    at_hand = services()
    _known(query, at_hand)
    page = at_hand.listing.page(
        query.filters(), limit=query.limit, sort=query.sort, after=query.after()
    )
    return jsonify(
        count=len(page.rows),
        results=[prediction_out(row, at_hand.images.bucket) for row in page.rows],
        next_cursor=page.next and str(page.next),
        latency_ms=round((time.perf_counter() - started) * 1000, 3),
    )


@blueprint.get(
    "/results.csv",
    responses={
        200: {"description": "CSV (RFC 4180)", "content": {"text/csv": {}}},
        414: ProblemDocument,
        422: ProblemDocument,
    },
)
def results_csv(query: ResultsFilter) -> Response:
    """Download predictions, newest first: all of them, or what the filters leave."""
    at_hand = services()
    _known(query, at_hand)
    most = MAX_CSV_ROWS if at_hand.settings.lane == "serverless" else None
    lines = _csv_lines(at_hand, query, most)
    first = next(lines)  # a database that is away is a 503, and not half a file
    response = Response(
        stream_with_context(chain([first], lines)), content_type="text/csv; charset=utf-8"
    )
    response.headers["Content-Disposition"] = 'attachment; filename="skylane-results.csv"'
    return response


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


@blueprint.delete(
    "/results/<request_id>", responses={204: None, 404: ProblemDocument, 422: ProblemDocument}
)
def delete(path: RequestPath) -> Response:
    """Delete one prediction and its image, for good."""
    at_hand = services()
    rows = at_hand.predictions.get([str(path.request_id)])
    if not rows:
        raise Problem(404, "not_found", f"No image has the request_id {path.request_id}.")
    # The image first: its row says where it is, so that what fails half way can be tried again.
    at_hand.images.delete(Reference(rows[0]["storage_key"], rows[0]["storage_version"]))
    # This row: while the store was slow another DELETE may have freed the id for another image.
    at_hand.predictions.delete(rows[0]["id"])
    return Response(status=204)


def _known(query: ResultsFilter, at_hand: Services) -> None:
    for name, label in (("label", query.label), ("true_label", query.true_label)):
        if label is not None and label not in at_hand.labels:
            raise Problem(
                422,
                "unknown_label",
                f"{name} {label[:80]!r} is not a class of the model.",
                accepted_labels=at_hand.labels,
            )


def _csv_lines(at_hand: Services, query: ResultsFilter, most: int | None) -> Iterator[str]:
    """Yield the header and a page of rows at a time, so that memory holds no more than that."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_FIELDS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    filters, after, left = query.filters(), None, most
    while left is None or left > 0:
        page = at_hand.listing.page(filters, limit=min(MAX_LIMIT, left or MAX_LIMIT), after=after)
        for row in page.rows:
            told = prediction_out(row, at_hand.images.bucket)
            told["error_code"] = row["error_code"]
            writer.writerow({name: _harmless(told[name]) for name in CSV_FIELDS})
        if lines := text.getvalue():  # a page without rows is not the end, and an empty chunk is
            yield lines
        text.seek(0)
        text.truncate()
        if page.next is None:
            return
        after = page.next
        left = None if left is None else left - len(page.rows)


def _harmless(value: Any) -> Any:
    # A spreadsheet takes a cell for a formula by how it begins, and names are the clients'.
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
