"""The functions' image, run as Lambda runs it: nothing can be written to but /tmp.

    docker buildx build --provenance=false -f infra/docker/lambda.Dockerfile \\
      -t skylane-lambda --load . && SKYLANE_LAMBDA_IMAGE=skylane-lambda ./test tests/infra
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import boto3
import psycopg2.extensions
import pytest

from bench.lambda_environment import LambdaEnvironment
from local.s3 import BUCKET, KEYS
from store.predictions import Predictions
from store.references import Reference
from tests.lambda_adapters.doors import http
from tests.lambda_adapters.shapes import of_s3

IMAGE = os.environ.get("SKYLANE_LAMBDA_IMAGE", "")
BASE = "public.ecr.aws/lambda/python:3.13"
MAX_BYTES_OVER_BASE = 450_000_000
MEMORY_MB = 3008

pytestmark = pytest.mark.skipif(not IMAGE, reason="SKYLANE_LAMBDA_IMAGE is not set")


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def size_bytes(image: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


@pytest.fixture
def started(s3_endpoint: str, database_url: str, tmp_path: Path) -> Any:
    """Return a function that starts one of the image's functions, with real stores."""
    env = {
        "SKYLANE_LANE": "serverless",
        "SKYLANE_ACCESS": "open",
        "SKYLANE_HOME": "/tmp/skylane",  # noqa: S108
        "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/images",
        "SKYLANE_S3_ENDPOINT_URL": s3_endpoint,
        "DATABASE_URL": database_url,
        **KEYS,
    }
    socket = Path(psycopg2.extensions.parse_dsn(database_url)["host"])

    def start(handler: str) -> LambdaEnvironment:
        log = tmp_path / "log"
        return LambdaEnvironment(handler, env, log, MEMORY_MB, image=IMAGE, mounts=[socket])

    return start


def test_an_upload_goes_from_function_to_function(
    started: Any, predictions: Predictions, tile: bytes
) -> None:
    with started("lambda_adapters.api.handler") as api:
        answer = api.invoke(http("POST", "/upload", tile, "image/jpeg"))
    assert answer.payload["statusCode"] == 202, answer.payload
    [row] = predictions.newest(9)
    reference = Reference(row["storage_key"], row["storage_version"])
    with started("lambda_adapters.infer.handler") as infer:
        assert infer.invoke(of_s3([reference])).payload == {"objects": 1}
    [row] = predictions.newest(9)
    assert (row["status"], row["predicted_label"]) == ("done", "Forest")


def test_the_sweep_finds_what_was_left(
    started: Any, predictions: Predictions, s3_endpoint: str, tile: bytes, accept: Any
) -> None:
    client = boto3.client("s3", endpoint_url=s3_endpoint)
    client.put_object(Bucket=BUCKET, Key="images/left.jpg", Body=tile)
    accept(key="images/left.jpg", lane="serverless")
    predictions._database.query("UPDATE predictions SET enqueued_at = now() - interval '1 hour'")
    with started("lambda_adapters.sweep.handler") as sweep:
        assert sweep.invoke({}).payload == {"touched": 1}
    [row] = predictions.newest(9)
    assert row["status"] == "done"


def test_the_schema_is_in_the_image(started: Any) -> None:
    with started("lambda_adapters.migrate.handler") as migrate:
        answer = migrate.invoke({"RequestType": "Update"})
    assert answer.payload == {"Status": "SUCCESS", "Data": {"applied": ""}}


def test_the_image_is_not_larger_than_it_need_be() -> None:
    assert size_bytes(IMAGE) - size_bytes(BASE) <= MAX_BYTES_OVER_BASE


def test_nothing_is_in_the_image_that_serving_does_not_need() -> None:
    script = (
        "import importlib.util, json, sys;"
        "print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name)]))"
    )
    others = ("torch", "celery", "redis", "flower", "nncf", "cli", "tests")
    found = docker("run", "--rm", "--entrypoint", "python", IMAGE, "-c", script, *others)
    assert json.loads(found) == []
