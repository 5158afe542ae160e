"""GET /metrics: figures for Prometheus, of this API's processes and of the queue behind it.

Gunicorn's processes write theirs to files in a folder (see gunicorn.py beside this), and
whichever is asked adds them up.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api import access
from api.errors import Problem
from api.health import MISSED_HEARTBEATS
from api.services import Services, services
from tasks import measures

log = logging.getLogger(__name__)

SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

# A registry of their own: in one process they are read from it, in many from the files.
own = CollectorRegistry()
requests = Counter(
    "skylane_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=own
)
seconds = Histogram(
    "skylane_http_request_seconds",
    "From a request to its answer, the time that an upload waits for its prediction included.",
    ["method", "route"],
    buckets=SECONDS,
    registry=own,
)
accepted = Counter("skylane_images_accepted_total", "Images on disk, with a row.", registry=own)
refused = Counter(
    measures.REFUSED, "Requests refused because too much waited already.", registry=own
)

# The library checks and joins labels each time anew, which costs more than to count.
answered, took = cache(requests.labels), cache(seconds.labels)


def register(app: Flask, port: int) -> None:
    """Count and time every request, and serve ``/metrics``. After ``api.access``.

    What listens on ``port``, which is not the API's own, serves nothing else, and asks for no key.
    See ``leave_out_files``, too.
    """

    @app.before_request
    def _only_metrics() -> None:
        if port and _port_of_server(request.environ) == port:
            g.on_metrics_port = True
            if request.endpoint != "metrics":
                raise Problem(404, "not_found", "Here are figures for Prometheus, at /metrics.")

    @app.after_request
    def _count(response: Response) -> Response:
        if request.path in access.QUIET:  # machines that look after us are not who we serve
            return response
        # The pattern and not the path, and no word that a client makes up: a series is for ever.
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"
        answered(method, route, response.status_code).inc()
        took(method, route).observe(time.perf_counter() - g.began)
        accepted.inc(len(g.get("request_ids", [])))
        if g.get("overloaded"):
            refused.inc()
        return response

    @app.get("/metrics", doc_ui=False)
    def metrics() -> Response:
        registry = CollectorRegistry()
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(own)
        registry.register(Queue(services()))
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def leave_out_files(app: Flask, port: int, wsgi: Callable[..., Iterable[bytes]]) -> None:
    """Have ``port`` serve no files either, which are looked for before the app is asked.

    ``wsgi`` is the app as it was before it had any.
    """
    files = app.wsgi_app

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chosen = wsgi if _port_of_server(environ) == port else files
        return chosen(environ, start_response)

    if port:
        app.wsgi_app = serve  # type: ignore[method-assign]


def _port_of_server(environ: dict[str, Any]) -> int:
    # Of the socket itself. Other servers and gateways put a header's word in its place.
    connection = environ.get("gunicorn.socket")
    return int(connection.getsockname()[1]) if connection else 0


# What ``Queue`` yields; the last one always.
QUEUE_NAMES = (
    "skylane_queue_messages",
    "skylane_workers_live",
    "skylane_images_pending",
    "skylane_images_running",
    "skylane_queue_age_seconds",
    "skylane_queue_limit_images",
    "skylane_queue_limit_seconds",
    "skylane_database_connections_used",
    "skylane_database_connections",
    "skylane_component_up",
)


class Queue(Collector):
    """What waits, and who works: asked when Prometheus asks, and the same from every API."""

    def __init__(self, at_hand: Services) -> None:
        self._at_hand = at_hand

    def collect(self) -> Iterator[Metric]:
        """Yield what can be had; what cannot is told by ``skylane_component_up``."""
        up = GaugeMetricFamily(
            "skylane_component_up", "Whether the API reaches it.", labels=["component"]
        )
        parts: dict[str, Callable[[], list[Metric]]] = {
            "database": self._database,
            "broker": self._broker,
        }
        for name, part in parts.items():
            try:
                yield from part()
                up.add_metric([name], 1)
            except Exception as error:  # whatever it is, this component is not up
                log.warning("no metrics of the %s: %s", name, error)
                up.add_metric([name], 0)
        yield up

    def _broker(self) -> list[Metric]:
        assert self._at_hand.queue_depth
        depth = self._at_hand.queue_depth()
        return [_gauge("skylane_queue_messages", "Messages in no worker's hands.", depth)]

    def _database(self) -> list[Metric]:
        at_hand = self._at_hand
        live = at_hand.workers.live(at_hand.settings.heartbeat_s * MISSED_HEARTBEATS)
        images: dict[str, int] = defaultdict(int)
        for count in at_hand.statistics.counts():
            images[count["status"]] += count["rows"]
        used, places = at_hand.database.used
        return [
            _gauge("skylane_workers_live", "Workers heard of lately.", len(live)),
            _gauge("skylane_images_pending", "Images that nobody works on yet.", images["pending"]),
            _gauge("skylane_images_running", "Images in work.", images["running"]),
            _gauge(
                "skylane_queue_age_seconds",
                "How long the oldest unfinished image has been accepted for.",
                at_hand.statistics.oldest_s(),
            ),
            _gauge(
                "skylane_queue_limit_images",
                "Unfinished images beyond which uploads are refused; 0: none.",
                at_hand.admission.most_images,
            ),
            _gauge(
                "skylane_queue_limit_seconds",
                "How long an image may wait until uploads are refused; 0: for ever.",
                at_hand.admission.most_age_s,
            ),
            _gauge("skylane_database_connections_used", "Of the answering process.", used),
            _gauge("skylane_database_connections", "Likewise, at most.", places),
        ]


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=value)
