"""A Lambda environment with real stores, made in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from lambda_adapters import environment, infer, sweep
from lambda_adapters.environment import STREAMS, Environment
from local.s3 import BUCKET
from model.serving import Predicts, open_predictor
from settings import Settings
from store.references import Reference

STREAM = "2026/11/20/[$LATEST]0b1c2d3e"

Put = Callable[..., Reference]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the compiled model is kept, for all tests."""
    return tmp_path_factory.mktemp("lambda")


@pytest.fixture(scope="session")
def predictor(home: Path) -> Predicts:
    """Load the model, once for all tests: it keeps nothing from one image to the next."""
    return open_predictor(Settings().artefact, streams=STREAMS, cache=home / "cache")


@pytest.fixture
def at_hand(
    s3_endpoint: str,
    database_url: str,
    home: Path,
    predictor: Predicts,
    monkeypatch: pytest.MonkeyPatch,
) -> Environment:
    """Be a Lambda environment with a database of its own."""
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", STREAM)
    chosen = Settings(
        home=home,
        lane="serverless",
        images_url=f"s3://{BUCKET}/images",
        s3_endpoint_url=s3_endpoint,
    )
    with pytest.MonkeyPatch.context() as meanwhile:
        meanwhile.setattr(environment, "open_predictor", lambda *_, **__: predictor)
        made = Environment(chosen.model_copy(update={"database_url": database_url}))
    for module in (infer, sweep):
        monkeypatch.setattr(module, "environment", lambda: made)
    return made


@pytest.fixture
def put(s3_endpoint: str, at_hand: Environment) -> Put:
    """Return a function that stores an object, as anyone may."""
    client = boto3.client("s3", endpoint_url=s3_endpoint)

    def store(data: bytes, key: str = "", **metadata: str) -> Reference:
        key = key or f"drop/{uuid4()}.jpg"
        told = client.put_object(
            Bucket=BUCKET, Key=key, Body=data, ContentType="image/jpeg", Metadata=metadata
        )
        return Reference(key, told["ETag"].strip('"'))

    return store
