"""The Flask API: uploads in, predictions out. It never loads the model."""

from __future__ import annotations

from functools import partial
from threading import BoundedSemaphore
from types import ModuleType

from flask_openapi3 import Info, OpenAPI

import tracing
from settings import Settings, settings


def create_app(chosen: Settings | None = None) -> OpenAPI:
    """Make the app. Opens no connection: a server may fork after this."""
    from api import (
        about,
        access,
        cors,
        errors,
        events,
        headers,
        health,
        images,
        keys,
        limits,
        page,
        presign,
        report,
        results,
        stats,
        uploads,
    )
    from api.admission import Admission
    from api.intake import Intake
    from api.openapi import Documented
    from api.services import Services, SystemLoad
    from api.shared import Shared
    from model.artefact import labels_of, version_of
    from store.database import Database
    from store.images import open_images
    from store.listing import Listing
    from store.notifications import Finished
    from store.predictions import Predictions
    from store.series import Series
    from store.statistics import Statistics
    from store.workers import Workers
    from tasks.served import artefact_path

    chosen = chosen or settings()
    broker: ModuleType | None = None  # in the cloud, storing an image is what sets work off
    if chosen.lane == "on-prem":
        from tasks import celery_app

        broker = celery_app
    app = Documented(
        __name__,
        info=Info(
            title=about.NAME,
            version=about.VERSION,
            description="Classify images by Celery workers or by AWS Lambda, with one API.",
        ),
        validation_error_callback=errors.invalid_parameters,
    )
    app.chosen = chosen
    app.config.update(
        MAX_CONTENT_LENGTH=chosen.max_body_bytes,
        # JSON and raw bodies count against the line above, form fields against these.
        # Each file may have a label and an id; one file too many still is told apart.
        MAX_FORM_PARTS=3 * (chosen.max_batch_files + 1),
        MAX_FORM_MEMORY_SIZE=1_000_000,
    )
    database = Database(chosen.database_url)
    image_store = open_images(
        chosen.image_store_url, chosen.s3_endpoint_url, chosen.max_image_bytes
    )
    predictions = Predictions(database)
    finished = Finished(chosen.database_url, predictions.get)
    statistics = Statistics(database)
    admission = Admission(
        statistics.backlog,
        most_images=chosen.max_queued,
        most_age_s=chosen.max_queue_age_s,
        # One of the largest is being stored, and the next is here already: no disk waits for us.
        most_bytes=chosen.max_body_bytes,
    )
    workers = Workers(database)
    artefact = artefact_path(chosen)
    app.labels = labels_of(artefact)
    app.extensions["skylane"] = Services(
        settings=chosen,
        database=database,
        images=image_store,
        predictions=predictions,
        listing=Listing(database),
        statistics=statistics,
        series=Series(database),
        workers=workers,
        finished=finished,
        admission=admission,
        intake=Intake(
            image_store,
            predictions,
            finished,
            broker.enqueue if broker else None,
            admission,
            lane=chosen.lane,
            max_waiting=max(1, chosen.api_threads * 3 // 4),
        ),
        labels=app.labels,
        model_version=version_of(artefact),
        probe_database=Shared(partial(database.query, health.PROBE)),
        live_workers=Shared(partial(workers.live, chosen.heartbeat_s * health.MISSED_HEARTBEATS)),
        queue_depth=Shared(broker.queue_depth) if broker else None,
        load=SystemLoad(),
        streams=BoundedSemaphore(max(1, chosen.api_threads // 8)),
    )
    if tracing.configure(chosen, "api"):
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]
            app, excluded_urls=",".join(access.QUIET)
        )
    access.register(app)
    headers.register(app, chosen)
    if broker:  # in the cloud these figures are CloudWatch's
        from api import metrics

        metrics.register(app, chosen.metrics_port)
        cors.register(app, chosen.cors_origins)
        about.register(app)  # beside a page, which this lane serves itself
    keys.register(app, chosen, database)
    limits.register(app, chosen)
    errors.register(app)
    for part in (uploads, presign, results, events, images, stats, report, about, health):
        app.register_api(part.blueprint)

    if broker:  # in the cloud a bucket serves it
        without_files = app.wsgi_app
        page.register(app, chosen.ui)
        metrics.leave_out_files(app, chosen.metrics_port, without_files)
    return app
