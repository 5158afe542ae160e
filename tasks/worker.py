"""A worker process: its model, its stores, its micro-batches and its heartbeat."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Sequence
from functools import cache

import psutil

import tracing
from batching import MicroBatcher
from model.serving import open_predictor
from settings import Settings, settings
from store.database import Database
from store.errors import StoreError
from store.images import open_images
from store.predictions import Predictions
from store.records import Outcome
from store.references import Reference
from store.workers import Workers
from tasks import metrics, traces
from tasks.classify import BYTES_PER_MB, Workbench, classify
from tasks.cpus import streams_of
from tasks.served import artefact_path

ALIVE = "alive-worker"
log = logging.getLogger(__name__)


class Worker:
    """What one worker process makes once and shares among its threads."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        tracing.configure(chosen, "worker")
        streams = streams_of(chosen)
        # A statement at a time for each runner, for the lone one, and for the heartbeat.
        database = Database(chosen.database_url, size=streams + 2)
        self._workers = Workers(database)
        predictor = open_predictor(
            artefact_path(chosen),
            streams=streams,
            cache=chosen.home / "cache",
        )
        predictor.warm_up()
        self._model_version = predictor.version
        images = open_images(chosen.image_store_url, chosen.s3_endpoint_url, chosen.max_image_bytes)
        images.connect()
        bench = Workbench(
            images=images,
            predictions=Predictions(database),
            predictor=predictor,
            worker=self.name,
            stale_after_s=chosen.stale_after_s,
        )

        metrics.model.info({"version": predictor.version})
        metrics.streams.set(streams)
        if chosen.metrics_port:
            metrics.serve(chosen.metrics_host, chosen.metrics_port)

        def work(references: Sequence[Reference]) -> list[Outcome | None]:
            outcomes = classify(references, bench)
            metrics.tell(outcomes)
            traces.tell(outcomes)
            return outcomes

        self._together = MicroBatcher(
            metrics.busy.track_inprogress()(work),
            size=chosen.batch_size,
            wait_ms=chosen.batch_wait_ms,
            runners=streams,
            time_limit_s=chosen.task_time_limit_s,
            name="classify",
        )
        self._alone = MicroBatcher(
            work, size=1, time_limit_s=chosen.task_time_limit_s, name="classify-alone"
        )
        self._stopping = threading.Event()

    def classify(self, references: Sequence[Reference], alone: bool = False) -> str:
        """Classify images and return a line about it, for logs and for Flower.

        Raises:
            StoreError: a store failed; to be tried again.
        """
        outcomes = (self._alone if alone else self._together)(references)
        return _summary(outcomes)

    def start_heartbeat(self) -> None:
        """Say every few seconds that this worker is alive, until ``leave``."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def leave(self) -> None:
        """Stop the heartbeat, so that nobody counts on this worker."""
        self._stopping.set()
        try:
            self._workers.leave(self.name)
        except StoreError as error:
            log.warning("could not sign off: %s", error)

    def _beat(self) -> None:
        process = psutil.Process()
        sign = self._settings.home / ALIVE
        while not self._stopping.is_set():
            try:
                self._workers.beat(
                    self.name,
                    self._settings.lane,
                    self._model_version,
                    process.memory_info().rss / BYTES_PER_MB,
                )
                sign.touch()  # for a container's health check, which costs no process this way
            except (StoreError, OSError) as error:  # a full disk, say: it passes
                log.warning("no heartbeat: %s", error)
            self._stopping.wait(self._settings.heartbeat_s)


def _summary(outcomes: list[Outcome | None]) -> str:
    if len(outcomes) == 1 and (only := outcomes[0]):
        return only.error_code or f"{only.predicted_label} {only.confidence:.3f}"
    worked_on = [outcome for outcome in outcomes if outcome]
    failed = sum(outcome.error_code is not None for outcome in worked_on)
    idle = len(outcomes) - len(worked_on)
    return f"{len(worked_on) - failed} done, {failed} failed, {idle} nothing to do"


@cache
def worker() -> Worker:
    """Return this process's worker, made on the first call."""
    return Worker(settings())
