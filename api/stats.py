"""GET /stats and /stats/series: figures over all predictions, and over time."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from typing import Any

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from api.filters import SeriesQuery
from api.health import MISSED_HEARTBEATS
from api.schemas import ProblemDocument, SeriesOut, StatsOut, WorkerOut
from api.services import Services, services

log = logging.getLogger(__name__)
blueprint = APIBlueprint(
    "stats",
    __name__,
    abp_tags=[Tag(name="stats", description="Figures over all predictions.")],
    abp_responses={503: ProblemDocument},
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
        recent_errors=at_hand.statistics.recent_errors(),
        queue_depth=_queue_depth(at_hand),
        max_queued=at_hand.admission.most_images,
        max_queue_age_s=at_hand.admission.most_age_s,
        uploads_refused=at_hand.admission.refused,
        workers=_workers(at_hand),
        system_resources=at_hand.load(),
    )


@blueprint.get("/stats/series", responses={200: SeriesOut, 422: ProblemDocument})
def series(query: SeriesQuery) -> Response:
    """Tell throughput and latency over time, in some 60 to 120 points for each lane.

    Points in which nothing was finished are left out. Percentiles are read off buckets that are
    10 % wide: they are right to within 5 %.
    """
    step_s, points = services().series.points(query.minutes * 60)
    return jsonify(
        step_s=step_s, points=[{**point, "at": point["at"].isoformat()} for point in points]
    )


def _workers(at_hand: Services) -> list[dict[str, Any]]:
    if at_hand.settings.lane == "serverless":  # AWS starts workers, and they tell nobody
        return []
    live = at_hand.workers.live(at_hand.settings.heartbeat_s * MISSED_HEARTBEATS)
    return [{name: worker[name] for name in WorkerOut.model_fields} for worker in live]


def _queue_depth(at_hand: Services) -> int | None:
    if at_hand.queue_depth is None:
        return None
    try:
        return at_hand.queue_depth()
    except Exception as error:  # kombu passes on what its transport raises
        log.warning("queue depth unknown: %s", error)
        return None
