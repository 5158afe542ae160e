"""Deployed by the real tool, a stack does what its parts do in the other tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
import requests

from model.artefact import Artefact
from model.images import decode
from model.predictor import Predictor
from settings import Settings
from store.keys import Secret
from store.references import Reference
from tests.lambda_adapters.shapes import of_s3
from tests.serverless.emulator import Deployment, emulator
from tests.stack import until

pytestmark = pytest.mark.skipif("SKYLANE_EMULATOR" not in os.environ, reason="./test runs these")


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, servers: tuple[str, str]
) -> Iterator[Deployment]:
    """Deploy the stack, with a database that has no schema yet, and remove it at the end."""
    folder = tmp_path_factory.mktemp("emulator")
    admin = psycopg2.connect(servers[0])
    admin.autocommit = True
    admin.cursor().execute("CREATE DATABASE deployed")
    parameters = psycopg2.extensions.parse_dsn(servers[0]) | {"dbname": "deployed"}
    with emulator(os.environ["SKYLANE_EMULATOR"], folder) as address:
        stack = Deployment(address, psycopg2.extensions.make_dsn(**parameters), folder)
        stack.deploy()
        yield stack
    admin.close()


def upload(deployed: Deployment, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        answer = deployed.call(
            "POST", "/upload", files={"file": file}, data={"true_label": path.parent.name}
        )
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


def rows(deployed: Deployment, *request_ids: str) -> list[dict[str, Any]]:
    return deployed.predictions.get(request_ids)


def finished(deployed: Deployment, *request_ids: str) -> list[dict[str, Any]]:
    until(lambda: all(row["finished_at"] for row in rows(deployed, *request_ids)), limit_s=60)
    return rows(deployed, *request_ids)


def test_tiles_that_are_uploaded_are_classified_as_on_prem(
    deployed: Deployment, tiles: list[Path]
) -> None:
    told = {upload(deployed, path)["request_id"]: path for path in tiles[::2]}
    found = finished(deployed, *told)
    assert {(row["status"], row["lane"]) for row in found} == {("done", "serverless")}
    predictor = Predictor(Artefact.open(Settings().artefact))
    pixels = np.stack([decode(told[row["request_id"]].read_bytes()) for row in found])
    for row, expected in zip(found, predictor.predict(pixels), strict=True):
        given = [row["probabilities"][label] for label in predictor.labels]
        assert given == pytest.approx(expected, abs=1e-6)
        assert row["true_label"] == told[row["request_id"]].parent.name
    answer = deployed.call("GET", "/stats").json()
    assert answer["lane_distribution"].keys() == {"serverless"}
    assert answer["lane_distribution"]["serverless"] >= len(told)


def test_nobody_gets_in_without_a_key(deployed: Deployment, tile: bytes) -> None:
    for key, code in (("", "missing_key"), (Secret.new().text, "invalid_key")):
        for method, path in (("GET", "/results"), ("POST", "/upload"), ("GET", "/about")):
            answer = deployed.call_as(key, method, path)
            assert (answer.status_code, answer.json()["code"]) == (401, code), path
    assert deployed.call_as("", "GET", "/health").status_code == 200


def test_an_image_comes_back_through_the_gateway_byte_for_byte(
    deployed: Deployment, tiles: list[Path]
) -> None:
    request_id = upload(deployed, tiles[1])["request_id"]
    answer = deployed.call("GET", f"/images/{request_id}")
    assert answer.content == tiles[1].read_bytes()


def test_an_event_that_comes_again_changes_nothing(deployed: Deployment, tiles: list[Path]) -> None:
    request_id = upload(deployed, tiles[3])["request_id"]
    [before] = finished(deployed, request_id)
    reference = Reference(before["storage_key"], before["storage_version"])
    deployed.tell(of_s3([reference], bucket=deployed.bucket))
    until(deployed.queue_is_empty, limit_s=60)
    assert rows(deployed, request_id) == [before]


def test_all_objects_of_one_event_are_classified(deployed: Deployment, tiles: list[Path]) -> None:
    s3 = deployed.client("s3")
    references = []
    for number, path in enumerate(tiles[10:13]):
        key = f"elsewhere/{number} of +3 é.jpg"  # no event of its own: that prefix is not watched
        told = s3.put_object(Bucket=deployed.bucket, Key=key, Body=path.read_bytes())
        references.append(Reference(key, told["ETag"].strip('"')))
    deployed.tell(of_s3(references, bucket=deployed.bucket))
    until(
        lambda: [row["status"] for row in deployed.predictions.of(references)] == ["done"] * 3,
        limit_s=60,
    )


def test_a_poisoned_message_ends_among_the_dead_letters_alone(
    deployed: Deployment, tiles: list[Path]
) -> None:
    deployed.tell("this is no event")
    beside = upload(deployed, tiles[7])["request_id"]
    [row] = finished(deployed, beside)
    assert row["status"] == "done"
    sqs = deployed.client("sqs")
    found: list[str] = []

    def arrived() -> bool:
        answer = sqs.receive_message(
            QueueUrl=deployed.dead_letters_url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        )
        found.extend(message["Body"] for message in answer.get("Messages", []))
        return bool(found)

    until(arrived, limit_s=90)
    assert found == ["this is no event"]


def test_a_bad_image_is_a_failed_row(deployed: Deployment, tile: bytes) -> None:
    answer = deployed.call(
        "POST", "/upload", files={"file": ("cut.jpg", tile[: len(tile) // 2], "image/jpeg")}
    )
    [row] = finished(deployed, answer.json()["request_id"])
    assert (row["status"], row["error_code"]) == ("failed", "truncated_image")


def test_an_image_sent_straight_to_s3_is_classified(deployed: Deployment, tile: bytes) -> None:
    form = deployed.call("POST", "/uploads/presign", json={"filename": "wood.jpg"}).json()
    sent = requests.post(
        form["url"], data=form["fields"], files={"file": ("wood.jpg", tile)}, timeout=30
    )
    assert sent.ok, sent.text
    until(lambda: rows(deployed, form["request_id"]), limit_s=60)
    [row] = finished(deployed, form["request_id"])
    assert (row["status"], row["image_name"]) == ("done", "wood.jpg")


def test_a_stack_that_is_removed_leaves_its_images(deployed: Deployment, tile: bytes) -> None:
    s3 = deployed.client("s3")
    s3.put_object(Bucket=deployed.bucket, Key="elsewhere/kept.jpg", Body=tile)
    deployed.remove()
    functions = deployed.client("lambda").list_functions()["Functions"]
    assert functions == []
    kept = s3.get_object(Bucket=deployed.bucket, Key="elsewhere/kept.jpg")
    assert kept["Body"].read() == tile
