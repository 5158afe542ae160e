"""The same app behind the three kinds of front door: what goes in comes out, byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response

from api import create_app
from api.headers import OF_DATA
from lambda_adapters.door import answer as answer_event
from local.s3 import BUCKET
from settings import ROOT, Settings
from store.errors import StoreError
from tests.lambda_adapters.doors import Event, alb, http, rest


@pytest.fixture
def answer(s3_endpoint: str, database_url: str) -> Callable[[Event], dict[str, Any]]:
    """Return a function that answers an event as the function in the cloud does."""
    chosen = Settings(
        lane="serverless",
        access="open",
        images_url=f"s3://{BUCKET}/images",
        s3_endpoint_url=s3_endpoint,
    )
    app = create_app(chosen.model_copy(update={"database_url": database_url}))

    def answered(event: Event) -> dict[str, Any]:
        return answer_event(app, event, None)

    return answered


@pytest.fixture
def call(answer: Callable[[Event], dict[str, Any]]) -> Callable[[Event], tuple[int, bytes]]:
    """Return a function that gives an answer's status and body."""

    def called(event: Event) -> tuple[int, bytes]:
        told = answer(event)
        body = told.get("body", "")
        data = base64.b64decode(body) if told.get("isBase64Encoded") else body.encode()
        return told["statusCode"], data

    return called


@pytest.mark.parametrize("door", [rest, http, alb])
def test_an_upload_is_stored_and_comes_back_byte_for_byte(
    door: Callable[..., Event], call: Callable[[Event], tuple[int, bytes]], tile: bytes
) -> None:
    status, body = call(door("POST", "/upload", tile, "image/jpeg"))
    told = json.loads(body)
    assert (status, told["status"], told["lane"]) == (202, "pending", "serverless")
    assert told["sha256"] == hashlib.sha256(tile).hexdigest()
    assert told["bucket"] == BUCKET
    assert call(door("GET", f"/images/{told['request_id']}", b"", "")) == (200, tile)


@pytest.mark.parametrize("door", [rest, http, alb])
def test_a_form_goes_through_every_door(
    door: Callable[..., Event], call: Callable[[Event], tuple[int, bytes]], tile: bytes
) -> None:
    form = b"\r\n".join(
        [
            b"--sep",
            b'Content-Disposition: form-data; name="file"; filename="wood.jpg"',
            b"Content-Type: image/jpeg",
            b"",
            tile,
            b"--sep",
            b'Content-Disposition: form-data; name="true_label"',
            b"",
            b"Forest",
            b"--sep--",
            b"",
        ]
    )
    status, body = call(door("POST", "/upload", form, "multipart/form-data; boundary=sep"))
    told = json.loads(body)
    assert (status, told["image_name"], told["true_label"]) == (202, "wood.jpg", "Forest")
    assert told["sha256"] == hashlib.sha256(tile).hexdigest()


@pytest.mark.parametrize("door", [rest, http, alb])
def test_a_mistake_is_a_problem_document_through_every_door(
    door: Callable[..., Event], call: Callable[[Event], tuple[int, bytes]]
) -> None:
    status, body = call(door("POST", "/upload", b"no image", "image/jpeg"))
    assert (status, json.loads(body)["code"]) == (415, "not_an_image")


def named_stage(method: str, path: str, body: bytes, content_type: str) -> Event:
    """Return an event of an HTTP API at a stage with a name, which its path begins with."""
    event = http(method, f"/prod{path}", body, content_type)
    event["requestContext"]["stage"] = "prod"
    return event


@pytest.mark.parametrize(
    ("door", "begins"), [(rest, "/dev"), (http, ""), (named_stage, "/prod"), (alb, "")]
)
def test_links_lead_back_through_the_same_door(
    door: Callable[..., Event],
    begins: str,
    answer: Callable[[Event], dict[str, Any]],
    tile: bytes,
) -> None:
    told = answer(door("POST", "/upload", tile, "image/jpeg"))
    request_id = json.loads(told["body"])["request_id"]
    headers = {name: [value] for name, value in told.get("headers", {}).items()}
    headers |= told.get("multiValueHeaders", {})
    assert headers["Location"] == [f"{begins}/results/{request_id}"]


@pytest.mark.parametrize("door", [rest, http, alb])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("database: away"), 503, "store_unavailable"),
        (RuntimeError("a bug of ours"), 500, "internal_error"),
    ],
)
def test_an_answer_that_breaks_off_is_our_fault_and_not_the_clients(
    door: Callable[..., Event],
    error: Exception,
    status: int,
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Flask(__name__)

    @app.get("/results.csv")
    def export() -> Response:
        def lines() -> Iterator[str]:
            yield "id\r\n"
            raise error

        return Response(lines(), content_type="text/csv")

    told = answer_event(app, door("GET", "/results.csv", b"", ""), None)
    assert (told["statusCode"], json.loads(told["body"])["code"]) == (status, code)
    assert str(error) in caplog.text
    assert str(error) not in told["body"]
    assert told["headers"].items() >= OF_DATA.items()


def test_readiness_in_the_cloud_asks_for_no_worker(
    call: Callable[[Event], tuple[int, bytes]],
) -> None:
    status, body = call(http("GET", "/ready", b"", ""))
    assert (status, list(json.loads(body)["components"])) == (200, ["database"])


def test_the_api_in_the_cloud_loads_no_broker_and_no_model(tmp_path: Path) -> None:
    script = "import lambda_adapters.api, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": "", "SKYLANE_LANE": "serverless", "SKYLANE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "api.uploads" in loaded
    heavy = {"celery", "kombu", "redis", "flower", "numpy", "openvino", "torch", "PIL"}
    assert not heavy & set(loaded)


def test_the_worker_in_the_cloud_loads_no_broker() -> None:
    script = "import lambda_adapters.infer, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "tasks.classify" in loaded
    assert not {"celery", "kombu", "redis", "flask", "torch"} & set(loaded)
