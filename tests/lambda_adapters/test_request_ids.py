"""Ids that clients choose, where the event of an object can come before its row."""

from __future__ import annotations

import hashlib
import io
import time
from typing import Any
from uuid import uuid4

import pytest

from api import create_app
from lambda_adapters import infer
from lambda_adapters.environment import Environment
from local.s3 import BUCKET
from settings import Settings
from store.errors import ImageNotFound
from store.references import Reference
from tests.lambda_adapters.conftest import Put
from tests.lambda_adapters.shapes import of_s3, of_sqs
from tests.lambda_adapters.told import failed
from tests.overtaking import after_storing


def an_api(database_url: str, s3_endpoint: str) -> Any:
    chosen = Settings(
        lane="serverless",
        access="open",
        images_url=f"s3://{BUCKET}/images",
        s3_endpoint_url=s3_endpoint,
    )
    return create_app(chosen.model_copy(update={"database_url": database_url}))


@pytest.fixture
def apis(at_hand: Environment, database_url: str, s3_endpoint: str) -> list[Any]:
    """Return two environments of the API."""
    return [an_api(database_url, s3_endpoint) for _ in range(2)]


def send(api: Any, data: bytes, request_id: str, wait_s: int = 0) -> Any:
    form = {"file": (io.BytesIO(data), "forest.jpg"), "request_id": request_id}
    return api.test_client().post(f"/upload?wait={wait_s}", data=form)


def classified(references: list[Reference]) -> None:
    """Be the event that tells of these objects, from its coming to its end."""
    assert failed(infer.handler(of_sqs([of_s3([one]) for one in references]), None)) == []


@pytest.mark.parametrize("wait_s", [0, 20])
def test_an_upload_gets_its_id_though_its_event_came_first(
    apis: list[Any], at_hand: Environment, tile: bytes, wait_s: int
) -> None:
    api, request_id = apis[0], str(uuid4())
    with after_storing(api.extensions["skylane"], classified):
        began = time.monotonic()
        answer = send(api, tile, request_id, wait_s)
    assert time.monotonic() - began < 15
    assert (answer.status_code, answer.json["status"]) == (200, "done")
    [row] = at_hand.predictions.newest(9)
    assert (row["request_id"], row["image_name"]) == (request_id, "forest.jpg")
    assert row["sha256"] == hashlib.sha256(tile).hexdigest()
    again = send(apis[1], tile, request_id)
    assert (again.status_code, again.json["id"]) == (200, row["id"])
    assert len(at_hand.predictions.newest(9)) == 1


def test_an_event_that_comes_after_the_row_finds_it(
    apis: list[Any], at_hand: Environment, tile: bytes
) -> None:
    request_id = str(uuid4())
    assert send(apis[0], tile, request_id).status_code == 202
    [row] = at_hand.predictions.newest(9)
    classified([Reference(row["storage_key"], row["storage_version"])])
    [row] = at_hand.predictions.newest(9)
    assert (row["request_id"], row["status"]) == (request_id, "done")


@pytest.mark.parametrize("event", ["before", "after"])
def test_the_loser_of_a_race_leaves_no_row_behind_whenever_its_event_comes(
    apis: list[Any], at_hand: Environment, tile: bytes, event: str
) -> None:
    request_id, stored = str(uuid4()), list[Reference]()

    def overtake(references: list[Reference]) -> None:
        stored.extend(references)
        if event == "before":
            classified(references)
        assert send(apis[1], tile, request_id).status_code == 202

    with after_storing(apis[0].extensions["skylane"], overtake):
        answer = send(apis[0], tile, request_id)
    if event == "after":
        classified(stored)
    [row] = at_hand.predictions.newest(9)
    assert (answer.status_code, answer.json["id"]) == (202, row["id"])
    assert row["storage_key"] != stored[0].key
    with pytest.raises(ImageNotFound):
        at_hand.images.get(stored[0])
    classified([Reference(row["storage_key"], row["storage_version"])])
    [row] = at_hand.predictions.newest(9)
    assert (row["request_id"], row["status"]) == (request_id, "done")


def test_nobody_takes_the_id_of_an_image_that_came_by_a_form(
    apis: list[Any], at_hand: Environment, put: Put, tile: bytes
) -> None:
    request_id = str(uuid4())
    presigned = put(tile, f"images/2026/11/20/{request_id}")
    classified([presigned])
    answer = send(apis[0], tile, request_id)
    assert (answer.status_code, answer.json["code"]) == (409, "request_id_taken")
    [row] = at_hand.predictions.newest(9)
    assert (row["request_id"], row["storage_key"]) == (request_id, presigned.key)


def test_nobody_takes_it_even_in_a_race(
    apis: list[Any], at_hand: Environment, put: Put, tile: bytes
) -> None:
    request_id = str(uuid4())
    presigned: list[Reference] = []

    def overtake(_: list[Reference]) -> None:
        presigned.append(put(tile, f"images/2026/11/20/{request_id}"))
        classified(presigned)

    with after_storing(apis[0].extensions["skylane"], overtake):
        answer = send(apis[0], tile, request_id)
    assert (answer.status_code, answer.json["code"]) == (409, "request_id_taken")
    [row] = at_hand.predictions.newest(9)
    assert (row["request_id"], row["storage_key"]) == (request_id, presigned[0].key)
