"""Handlers run here as they run in the cloud: under AWS's own runtime client."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import boto3
import pytest

from bench.cpu_quota import CpuQuota
from bench.lambda_environment import LambdaEnvironment, LambdaError
from local.s3 import BUCKET, KEYS
from store.predictions import Predictions
from store.references import Reference
from tests.lambda_adapters.doors import http
from tests.lambda_adapters.shapes import of_s3, of_sqs


@pytest.fixture
def env(s3_endpoint: str, database_url: str, tmp_path: Path) -> dict[str, str]:
    """Return a function's variables, as its deployment would set them."""
    return {
        "SKYLANE_LANE": "serverless",
        "SKYLANE_ACCESS": "open",
        "SKYLANE_HOME": str(tmp_path / "home"),
        "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/images",
        "SKYLANE_S3_ENDPOINT_URL": s3_endpoint,
        "DATABASE_URL": database_url,
        **KEYS,
    }


def test_a_handler_answers_event_after_event_in_one_process(
    env: dict[str, str], tmp_path: Path, s3_endpoint: str, predictions: Predictions, tile: bytes
) -> None:
    client = boto3.client("s3", endpoint_url=s3_endpoint)

    def put(key: str) -> dict[str, Any]:
        told = client.put_object(Bucket=BUCKET, Key=key, Body=tile)
        return of_s3([Reference(key, told["ETag"].strip('"'))])

    with LambdaEnvironment("lambda_adapters.infer.handler", env, tmp_path / "log") as environment:
        assert environment.init_ms > 0
        for number in range(3):
            answer = environment.invoke(of_sqs([put(f"drop/{number}.jpg"), "not JSON"]))
            assert answer.payload == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
            assert not answer.error
            assert answer.duration_ms > 0
        raised = environment.invoke({"Records": "none"})
        assert (raised.error, raised.payload["errorType"]) == (True, "EventError")
    found = predictions.newest(9)
    assert [row["status"] for row in found] == ["done"] * 3
    assert len({row["worker"] for row in found}) == 1
    assert [row["cold_start"] for row in found] == [False, False, True]  # newest first


def test_an_upload_goes_through_the_api_function_to_the_infer_function(
    env: dict[str, str], tmp_path: Path, predictions: Predictions, tile: bytes
) -> None:
    with LambdaEnvironment("lambda_adapters.api.handler", env, tmp_path / "api.log") as api:
        answer = api.invoke(http("POST", "/upload", tile, "image/jpeg"))
    assert answer.payload["statusCode"] == 202
    [row] = predictions.newest(9)
    assert row["status"] == "pending"
    reference = Reference(row["storage_key"], row["storage_version"])
    with LambdaEnvironment("lambda_adapters.infer.handler", env, tmp_path / "log") as environment:
        environment.invoke(of_s3([reference]))
    [row] = predictions.newest(9)
    assert (row["status"], row["predicted_label"], row["sha256"] is None) == (
        "done",
        "Forest",
        False,
    )


def test_an_environment_that_is_killed_is_told(env: dict[str, str], tmp_path: Path) -> None:
    with LambdaEnvironment("lambda_adapters.api.handler", env, tmp_path / "log") as environment:
        os.kill(environment.pid, signal.SIGKILL)
        with pytest.raises(LambdaError, match="the environment ended"):
            environment.invoke({})


def test_a_handler_that_cannot_be_loaded_says_why(env: dict[str, str], tmp_path: Path) -> None:
    wrong = {**env, "SKYLANE_ARTEFACT": str(tmp_path / "none.zip")}
    environment = LambdaEnvironment("lambda_adapters.api.handler", wrong, tmp_path / "log")
    with pytest.raises(LambdaError, match=r"none\.zip is not a model artefact"), environment:
        pass


def test_a_quota_keeps_a_process_to_its_share(env: dict[str, str], tmp_path: Path) -> None:
    quota = CpuQuota.of(0.1)
    if quota is None:
        pytest.skip("control groups are not ours to make here")
    quota.remove()
    started: dict[int, float] = {}
    for memory_mb in (256, 1769):
        with LambdaEnvironment(
            "lambda_adapters.api.handler", env, tmp_path / "log", memory_mb
        ) as environment:
            started[memory_mb] = environment.init_ms
            assert environment.quota
            throttled_ms = environment.quota.throttled_ms()
        if memory_mb == 256:
            assert throttled_ms > 0
    assert started[256] > 1.5 * started[1769]  # a seventh of the processor
