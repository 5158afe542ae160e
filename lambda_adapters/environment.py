"""What a Lambda environment makes once, at INIT, and keeps from one invocation to the next."""

from __future__ import annotations

import os
import socket
from functools import cache

import tracing
from model.serving import open_predictor
from settings import Settings, settings
from store.database import Database
from store.images import S3Images, open_images
from store.predictions import Predictions
from store.retention import Retention
from tasks.classify import Workbench
from tasks.served import artefact_path

# One event at a time: one connection is all that an environment can use, and RDS has few.
CONNECTIONS = 1
STREAMS = 1  # likewise one prediction


class Environment:
    """The bench to work at, and the bucket that its images are in."""

    def __init__(self, chosen: Settings) -> None:
        images = open_images(chosen.image_store_url, chosen.s3_endpoint_url, chosen.max_image_bytes)
        if not isinstance(images, S3Images):
            raise ValueError(
                f"SKYLANE_IMAGES_URL is {chosen.image_store_url!r}; this lane needs"
                " s3://bucket/prefix"
            )
        images.connect()
        tracing.configure(chosen, "infer")
        self.images = images
        self.max_attempts = chosen.max_attempts
        predictor = open_predictor(
            artefact_path(chosen), streams=STREAMS, cache=chosen.home / "cache"
        )
        predictor.warm_up()
        self.database = Database(chosen.database_url, size=CONNECTIONS)
        self.predictions = Predictions(self.database)
        self.retention = Retention(self.database)
        self.bench = Workbench(
            images=images,
            predictions=self.predictions,
            predictor=predictor,
            worker=_name(),
            stale_after_s=chosen.stale_after_s,
        )


@cache
def environment() -> Environment:
    """Return this process's environment, made on the first call."""
    return Environment(settings())


def _name() -> str:
    # A log stream is one environment's, and where to look when something is wrong with it.
    stream = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
    return stream or f"{socket.gethostname()}-{os.getpid()}"
