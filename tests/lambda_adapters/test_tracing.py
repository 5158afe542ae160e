"""In the cloud, too, the work on an image is of the trace that brought it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from bench.lambda_environment import LambdaEnvironment
from lambda_adapters.environment import Environment
from local.s3 import BUCKET, KEYS
from store.records import NewPrediction
from tests.collector import collector
from tests.lambda_adapters.conftest import Put
from tests.lambda_adapters.shapes import of_s3
from tests.stack import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_spans_are_sent_before_the_environment_is_frozen(
    at_hand: Environment, put: Put, tile: bytes, database_url: str, s3_endpoint: str, tmp_path: Path
) -> None:
    reference = put(tile)
    at_hand.predictions.insert(
        [
            NewPrediction(
                request_id=uuid4(), lane="serverless", image_name="a.jpg",
                content_type="image/jpeg", size_bytes=len(tile), sha256="", reference=reference,
                traceparent=f"00-{TRACE}-00f067aa0ba902b7-01",
            )
        ]
    )  # fmt: skip
    with collector() as told:
        env = {
            "DATABASE_URL": database_url,
            "SKYLANE_LANE": "serverless",
            "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/images",
            "SKYLANE_S3_ENDPOINT_URL": s3_endpoint,
            "SKYLANE_HOME": str(tmp_path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": told.url,
            "OTEL_BSP_SCHEDULE_DELAY": "600000",  # ms: nothing is sent but by being flushed
            **KEYS,
        }
        handler = "lambda_adapters.infer.handler"
        with LambdaEnvironment(handler, env, tmp_path / "log", 1769) as environment:
            environment.invoke(of_s3([reference], bucket=BUCKET))
            until(lambda: told.of(TRACE), limit_s=5)
        names = [span.name for span in told.of(TRACE)]
        assert sorted(names) == ["classify", "decode", "fetch", "infer", "record"]
        assert {span.service for span in told.spans} == {"skylane-infer"}
