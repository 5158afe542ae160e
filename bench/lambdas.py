"""The serverless lane's functions by themselves: cold starts and warm invocations.

    python -m bench.lambdas

Each start is a process under AWS's own runtime client, with a quota of processor time as a
memory size brings it where this machine permits quotas. Invocations are events of S3 with one
real tile each, on a real S3-compatible server and in a real PostgreSQL, both on loopback. The
page cache is warm, as for an image that the machine has already.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from bench.lambda_environment import LambdaEnvironment, LambdaError
from bench.raw import TILES
from local.interrupts import interruptible
from local.s3 import BUCKET, KEYS, s3_server
from local.stack import embedded
from settings import Settings
from store.database import Database
from store.images import S3Images
from store.migrations import migrate
from store.predictions import Predictions
from store.records import NewPrediction
from store.references import Reference

MEMORY_MB = (1769, 3538)  # one processor's worth of time, and two
STARTS, WARM = 5, 300
INFER, API = "lambda_adapters.infer.handler", "lambda_adapters.api.handler"
HEALTH = {
    "version": "2.0",
    "rawPath": "/health",
    "rawQueryString": "",
    "headers": {"host": "localhost"},
    "requestContext": {"http": {"method": "GET", "path": "/health"}},
    "isBase64Encoded": False,
}


@interruptible()
def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory-mb", type=int, nargs="+", default=list(MEMORY_MB))
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--warm", type=int, default=WARM, help="invocations in all")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()
    often = chosen.starts, chosen.warm // chosen.starts
    with tempfile.TemporaryDirectory() as folder, lane(Path(folder)) as tried:
        figures = {
            "cores": os.cpu_count(),
            "by_memory_mb": {
                memory_mb: {
                    "infer": tried.infer(memory_mb, *often),
                    "api": tried.api(memory_mb, *often),
                }
                for memory_mb in chosen.memory_mb
            },
        }
    print(json.dumps(figures, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


@contextmanager
def lane(folder: Path) -> Iterator[Lane]:
    """Run the stores that the functions need."""
    (folder / "s3").mkdir()
    with (
        embedded(Settings(home=folder / "home")) as (database_url, _),
        s3_server(folder / "s3") as s3_url,
    ):
        migrate(database_url)
        yield Lane(folder, database_url, s3_url)


class Lane:
    """The functions, ready to be started."""

    def __init__(self, folder: Path, database_url: str, s3_url: str) -> None:
        self._folder = folder
        self._env = {
            "DATABASE_URL": database_url,
            "SKYLANE_LANE": "serverless",
            "SKYLANE_ACCESS": "open",
            "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/images",
            "SKYLANE_S3_ENDPOINT_URL": s3_url,
            **KEYS,
        }
        self._images = S3Images(BUCKET, "images", s3_url)
        self._predictions = Predictions(Database(database_url))
        self._tiles = cycle([path.read_bytes() for path in sorted(TILES.glob("*/*.jpg"))])
        self._numbers = count()

    def infer(self, memory_mb: int, starts: int, warm: int) -> dict[str, Any]:
        """Time starts and invocations of the infer function."""
        inits_ms, firsts_ms, warm_ms = self.starts(memory_mb, starts, warm)
        return {
            "init_ms": _summary(inits_ms),
            "first_invocation_ms": _summary(firsts_ms),
            "warm_ms": _percentiles(warm_ms),
        }

    def starts(
        self, memory_mb: int, starts: int, warm: int
    ) -> tuple[list[float], list[float], list[float]]:
        """Return the times of starts, of first and of ``warm`` later invocations each, in ms."""
        inits_ms, firsts_ms, warm_ms = [], [], []
        for _ in range(starts):
            with self._started(INFER, memory_mb) as environment:
                inits_ms.append(environment.init_ms)
                firsts_ms.append(environment.invoke(self._uploaded()).duration_ms)
                events = [self._uploaded() for _ in range(warm)]
                warm_ms += [environment.invoke(event).duration_ms for event in events]
        return inits_ms, firsts_ms, warm_ms

    def batches(
        self, memory_mb: int, sizes: Sequence[int], samples: int
    ) -> list[tuple[int, float]]:
        """Time batches of SQS of each size on one warm environment; return their sizes and ms.

        The sizes take turns, so that whatever changes meanwhile changes them alike.

        Raises:
            LambdaError: one failed, or was not done whole.
        """
        found = []
        with self._started(INFER, memory_mb) as environment:
            for turn in range(1 + samples):
                for images in sizes:
                    answer = environment.invoke(self._batch(images))
                    if answer.error or answer.payload["batchItemFailures"]:
                        raise LambdaError(f"a batch of {images} was not done: {answer.payload}")
                    if turn:  # the first is of each size's first time
                        found.append((images, answer.duration_ms))
        return found

    def api(self, memory_mb: int, starts: int, warm: int) -> dict[str, Any]:
        """Time starts of the API function, requests that ask nobody else, and uploads."""
        inits_ms, warm_ms, uploads_ms = [], [], []
        for _ in range(starts):
            with self._started(API, memory_mb) as environment:
                inits_ms.append(environment.init_ms)
                environment.invoke(HEALTH)
                warm_ms += [environment.invoke(HEALTH).duration_ms for _ in range(warm)]
                environment.invoke(_upload(next(self._tiles)))  # makes the S3 client
                uploads_ms += [
                    environment.invoke(_upload(next(self._tiles))).duration_ms for _ in range(warm)
                ]
        return {
            "init_ms": _summary(inits_ms),
            "health_ms": _percentiles(warm_ms),
            "upload_ms": _percentiles(uploads_ms),
        }

    def _started(self, handler: str, memory_mb: int) -> LambdaEnvironment:
        # A new environment's /tmp is empty: there is no compiled model in it.
        home = self._folder / str(next(self._numbers))
        env = {**self._env, "SKYLANE_HOME": str(home)}
        return LambdaEnvironment(handler, env, self._folder / "lambda.log", memory_mb)

    def _batch(self, images: int) -> dict[str, Any]:
        """Upload so many tiles, and return what Lambda makes of the messages of a queue."""
        records = [
            {
                "eventSource": "aws:sqs",
                "messageId": str(uuid4()),
                "body": json.dumps(self._uploaded()),
            }
            for _ in range(images)
        ]
        return {"Records": records}

    def _uploaded(self) -> dict[str, Any]:
        """Upload a tile as the API does, and return the event that S3 would send."""
        request_id, data = uuid4(), next(self._tiles)
        reference = self._images.put(f"{next(self._numbers)}/{request_id}", data, "image/jpeg")
        self._predictions.insert([_accepted(request_id, reference, len(data))])
        told = {"key": reference.key, "eTag": reference.version, "size": len(data)}
        s3 = {"bucket": {"name": BUCKET}, "object": told}
        return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]}


def _upload(data: bytes) -> dict[str, Any]:
    """Return what API Gateway makes of an upload: an HTTP API's event, in base64."""
    return {
        **HEALTH,
        "rawPath": "/upload",
        "headers": {"host": "localhost", "content-type": "image/jpeg"},
        "requestContext": {"http": {"method": "POST", "path": "/upload"}},
        "body": base64.b64encode(data).decode(),
        "isBase64Encoded": True,
    }


def _accepted(request_id: UUID, reference: Reference, size_bytes: int) -> NewPrediction:
    return NewPrediction(
        request_id=request_id,
        lane="serverless",
        image_name="tile.jpg",
        content_type="image/jpeg",
        size_bytes=size_bytes,
        sha256="",
        reference=reference,
    )


def _summary(samples: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(samples), 1), "worst": round(max(samples), 1)}


def _percentiles(samples: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(samples, n=100)
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


if __name__ == "__main__":
    main()
