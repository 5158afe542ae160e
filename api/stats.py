"""GET /stats: figures over all predictions."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from api.schemas import StatsOut
from api.services import Services, services

log = logging.getLogger(__name__)
blueprint = APIBlueprint(
    "stats", __name__, abp_tags=[Tag(name="stats", description="Figures over all predictions.")]
)


@blueprint.get("/stats", responses={200: StatsOut})
def stats() -> Response:
    """Count predictions, and say how long they take and how right they are."""
    at_hand = services()
    labels: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    lanes: Counter[str] = Counter()
    confusion: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for count in at_hand.statistics.counts():
        statuses[count["status"]] += count["rows"]
        lanes[count["lane"]] += count["rows"]
        if count["status"] == "done":
            labels[count["predicted_label"]] += count["rows"]
            if count["true_label"]:
                confusion[count["true_label"]][count["predicted_label"]] += count["rows"]
    known = sum(row.total() for row in confusion.values())
    right = sum(row[label] for label, row in confusion.items())
    return jsonify(
        total_predictions=statuses["done"],
        total=statuses.total(),
        label_distribution=labels,
        status_distribution=statuses,
        lane_distribution=lanes,
        latency_percentiles=at_hand.statistics.latencies(),
        accuracy=right / known if known else None,
        confusion_matrix=confusion,
        queue_depth=_queue_depth(at_hand),
        system_resources=at_hand.load(),
    )


def _queue_depth(at_hand: Services) -> int | None:
    if at_hand.queue_depth is None:
        return None
    try:
        return at_hand.queue_depth()
    except Exception as error:  # kombu passes on what its transport raises
        log.warning("queue depth unknown: %s", error)
        return None
