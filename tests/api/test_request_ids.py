"""Ids that clients choose, against a running stack: what is sent again is accepted once."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.stack import WORKER, Stack

FORMS = ["multipart", "raw", "json"]
NO_UUIDS = ["", "7", "None", "x" * 36, "{{{0}}}", "urn:uuid:{0}", "{0}0", "\uff11" * 36]


@pytest.fixture(params=["stack", "s3_stack"])
def either(request: pytest.FixtureRequest) -> Stack:
    """Return a running stack: one with images in files, then one with images on S3."""
    running: Stack = request.getfixturevalue(request.param)
    return running


def send(
    url: str, data: bytes, request_id: str, form: str = "multipart", **query: str
) -> requests.Response:
    """Send one image; its name is its id, so that it can be searched for."""
    if form == "multipart":
        body: dict[str, Any] = {
            "files": {"file": (request_id, data)},
            "data": {"request_id": request_id},
        }
    elif form == "raw":
        query |= {"request_id": request_id, "filename": request_id}
        body = {"data": data, "headers": {"Content-Type": "image/jpeg"}}
    else:
        image = base64.b64encode(data).decode()
        body = {"json": {"image_base64": image, "request_id": request_id, "filename": request_id}}
    return requests.post(f"{url}/upload", params={"wait": "30"} | query, timeout=60, **body)


def send_batch(url: str, images: list[bytes], ids: list[str], name: str = "x") -> requests.Response:
    return requests.post(
        f"{url}/upload_batch?wait=30",
        files=[("files", (name, data)) for data in images],
        data=[("request_id", request_id) for request_id in ids],
        timeout=60,
    )


def named(url: str, name: str) -> list[dict[str, Any]]:
    """Return the rows of images of this name."""
    found = requests.get(f"{url}/results", params={"search": name}, timeout=9).json()
    rows: list[dict[str, Any]] = found["results"]
    return rows


def image(url: str, request_id: str) -> bytes:
    answer = requests.get(f"{url}/images/{request_id}", timeout=9)
    assert answer.ok, answer.text
    return answer.content


@pytest.mark.parametrize("form", FORMS)
def test_an_image_that_is_sent_twice_is_accepted_once(
    either: Stack, tile: bytes, form: str
) -> None:
    request_id = str(uuid4())
    first = send(either.url, tile, request_id, form)
    began = time.monotonic()
    again = send(either.url, tile, request_id, form, wait="60")
    assert time.monotonic() - began < 30  # what is finished is not waited for
    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert first.json()["request_id"] == request_id
    assert again.headers["Location"] == f"/results/{request_id}"
    told = [answer.json() | {"resources": None} for answer in (first, again)]
    assert told[0] == told[1]
    assert (told[0]["status"], told[0]["predicted_label"]) == ("done", "Forest")
    assert len(named(either.url, request_id)) == 1
    assert image(either.url, request_id) == tile


def test_an_image_that_failed_is_told_again_as_it_failed(api_url: str, tile: bytes) -> None:
    request_id = str(uuid4())
    answers = [send(api_url, tile[:700], request_id) for _ in range(2)]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [
        (422, "truncated_image")
    ] * 2
    assert {one.json()["request_id"] for one in answers} == {request_id}
    assert len(named(api_url, request_id)) == 1


def test_twenty_who_send_an_image_at_once_get_one_prediction(either: Stack, tile: bytes) -> None:
    request_id = str(uuid4())
    start = threading.Barrier(20)

    def sent(_: int) -> requests.Response:
        start.wait()
        return send(either.url, tile, request_id)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(sent, range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.json()["predicted_label"] for answer in answers} == {"Forest"}
    assert len(named(either.url, request_id)) == 1
    assert image(either.url, request_id) == tile


def test_who_sends_an_image_again_waits_for_it_too(stack: Stack, tile: bytes) -> None:
    request_id = str(uuid4())
    with ThreadPoolExecutor() as threads:
        with stack.frozen(WORKER):
            for _ in range(2):
                answer = send(stack.url, tile, request_id, wait="0")
                assert (answer.status_code, answer.json()["status"]) == (202, "pending")
            waiting = threads.submit(send, stack.url, tile, request_id)
        answer = waiting.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "done")


def test_of_a_batch_only_what_is_new_is_accepted(either: Stack, tiles: list[Path]) -> None:
    images, ids = [path.read_bytes() for path in tiles[:6]], [str(uuid4()) for _ in range(6)]
    name = str(uuid4())
    before = send_batch(either.url, images[::2], ids[::2], name).json()["results"]
    answer = send_batch(either.url, images[::-1], ids[::-1], name)
    results = answer.json()["results"][::-1]
    assert answer.status_code == 200
    assert [result["request_id"] for result in results] == ids
    assert [result["status"] for result in results] == ["done"] * 6
    assert results[::2] == before
    assert len(named(either.url, name)) == 6
    assert [image(either.url, request_id) for request_id in ids] == images


@pytest.mark.parametrize("form", FORMS)
def test_an_id_stays_with_its_image(either: Stack, tiles: list[Path], form: str) -> None:
    mine, other = tiles[0].read_bytes(), tiles[1].read_bytes()
    request_id = str(uuid4())
    row = send(either.url, mine, request_id).json()
    answer = send(either.url, other, request_id, form)
    assert (answer.status_code, answer.json()["code"]) == (409, "request_id_taken")
    assert answer.json()["request_id"] == request_id
    assert [one["id"] for one in named(either.url, request_id)] == [row["id"]]
    assert image(either.url, request_id) == mine


def test_an_id_that_is_taken_is_reported_beside_the_good_ones(
    either: Stack, tiles: list[Path]
) -> None:
    images, ids = [path.read_bytes() for path in tiles[:3]], [str(uuid4()) for _ in range(3)]
    send(either.url, tiles[9].read_bytes(), ids[1])
    answer = send_batch(either.url, images, ids)
    results = answer.json()["results"]
    assert answer.status_code == 200
    assert [result["status"] for result in results] == ["done", "rejected", "done"]
    assert (results[1]["filename"], results[1]["error"]["code"]) == ("x", "request_id_taken")
    assert image(either.url, ids[1]) == tiles[9].read_bytes()
    alone = send_batch(either.url, images[1:2], ids[1:2])
    assert (alone.status_code, alone.json()["code"]) == (422, "no_valid_file")
    assert alone.json()["results"][0]["error"]["code"] == "request_id_taken"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", NO_UUIDS)
def test_an_id_is_a_uuid(api_url: str, tile: bytes, text: str, form: str) -> None:
    answer = send(api_url, tile, text.format(uuid4()), form)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


def test_an_id_in_json_is_a_string(api_url: str, tile: bytes) -> None:
    body = {"image_base64": base64.b64encode(tile).decode(), "request_id": 7}
    answer = requests.post(f"{api_url}/upload", json=body, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field")


def test_case_makes_no_other_id(api_url: str, tile: bytes) -> None:
    request_id = "ABCDEF" + str(uuid4())[6:]
    rows = [send(api_url, tile, one).json() for one in (request_id, request_id.lower())]
    assert rows[0]["id"] == rows[1]["id"]
    assert rows[0]["request_id"] == request_id.lower()


def test_ids_of_a_batch_must_match_its_files_and_differ(api_url: str, tile: bytes) -> None:
    one, two = str(uuid4()), str(uuid4())
    for ids, code in (
        ([one], "wrong_number_of_request_ids"),
        ([one, two, str(uuid4())], "wrong_number_of_request_ids"),
        ([one, one], "invalid_field"),
        ([one, one.upper()], "invalid_field"),
        ([one, ""], "invalid_field"),
        ([one, "two"], "invalid_field"),
    ):
        answer = send_batch(api_url, [tile, tile], ids)
        assert (answer.status_code, answer.json()["code"]) == (422, code), ids
    assert requests.get(f"{api_url}/results/{one}", timeout=9).status_code == 404


def test_a_form_has_room_for_a_label_and_an_id_of_each_file(api_url: str) -> None:
    fields = [("true_label", "Forest")] * 1001 + [("request_id", str(uuid4()))] * 1001
    answer = requests.post(
        f"{api_url}/upload_batch", files=[("files", ("x", b"x"))] * 1001, data=fields, timeout=30
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_files")
