"""Uploads straight to S3, through a whole Skylane whose images are on a real S3 server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from local.s3 import BUCKET
from tests.stack import Stack, until

MAX_BYTES, MAX_BODY_BYTES = 60_000, 40_000  # as in the cloud, where a body may be smaller


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[str]:
    """Run everything, with images on S3."""
    settings = {
        "SKYLANE_IMAGES_URL": f"s3://{BUCKET}/some/prefix",
        "SKYLANE_S3_ENDPOINT_URL": s3_endpoint,
        "SKYLANE_MAX_IMAGE_BYTES": str(MAX_BYTES),
        "SKYLANE_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
    }
    with Stack(tmp_path_factory.mktemp("presign") / "home", **settings) as stack:
        yield stack.url


def presign(url: str, **known: str) -> dict[str, Any]:
    answer = requests.post(f"{url}/uploads/presign", json=known, timeout=9)
    assert answer.status_code == 200, answer.text
    form: dict[str, Any] = answer.json()
    return form


def send(form: dict[str, Any], data: bytes) -> requests.Response:
    files = {"file": ("tile.jpg", data)}
    return requests.post(form["url"], data=form["fields"], files=files, timeout=9)


def complete(url: str, key: str) -> requests.Response:
    return requests.post(f"{url}/uploads/complete", json={"key": key}, timeout=9)


def test_an_image_that_was_sent_to_s3_is_classified(url: str, tile: bytes) -> None:
    form = presign(url, filename="Wald im Müritz.jpg", true_label="Forest")
    assert requests.get(url + form["result"], timeout=9).status_code == 404
    assert send(form, tile).ok
    told = complete(url, form["key"])
    assert (told.status_code, told.json()["request_id"]) == (202, form["request_id"])
    assert told.headers["Location"] == form["result"]
    result = requests.Session()
    until(lambda: result.get(url + form["result"], timeout=9).json()["status"] == "done")
    row = result.get(url + form["result"], timeout=9).json()
    assert (row["image_name"], row["true_label"], row["predicted_label"]) == (
        "Wald im Müritz.jpg",
        "Forest",
        "Forest",
    )
    assert (row["size_bytes"], row["sha256"]) == (len(tile), None)
    image = requests.get(f"{url}/images/{form['request_id']}", timeout=9)
    assert (image.content, image.headers["Content-Type"]) == (tile, "image/jpeg")
    again = complete(url, form["key"])  # the client's own retry
    assert (again.status_code, again.json()["id"]) == (200, row["id"])


def test_s3_refuses_what_is_too_large(url: str) -> None:
    form = presign(url)
    assert form["max_bytes"] == MAX_BYTES
    assert send(form, bytes(MAX_BYTES + 1)).status_code == 400
    assert complete(url, form["key"]).status_code == 404


def test_a_form_is_good_for_its_own_key_alone(url: str, tile: bytes) -> None:
    form, other = presign(url), presign(url)
    form["fields"]["key"] = other["key"]
    assert send(form, tile).status_code == 403


def test_a_long_name_in_any_letters_goes_along(url: str, tile: bytes) -> None:
    form = presign(url, filename="森" * 255)
    assert "x-amz-signature" in form["fields"]  # of the fourth version: others are refused
    assert send(form, tile).ok
    assert complete(url, form["key"]).json()["image_name"] == "森" * 120


@pytest.mark.parametrize(
    "key",
    [
        "",
        "some/prefix/x.jpg",
        "other/2026/11/20/{id}",
        "../{id}",
        "some/prefix/x/2026/11/20/{id}",
        "some/prefix/\ud800/2026/11/20/{id}",
    ],
)
def test_only_keys_of_forms_are_completed(url: str, key: str) -> None:
    answer = complete(url, key.format(id="0" * 8 + "-0000-0000-0000-" + "0" * 12))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


@pytest.mark.parametrize(
    ("known", "code"),
    [({"true_label": "Unicorn"}, "unknown_label"), ({"name": "x"}, "invalid_parameter")],
)
def test_a_form_for_nonsense_is_refused(url: str, known: dict[str, str], code: str) -> None:
    answer = requests.post(f"{url}/uploads/presign", json=known, timeout=9)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize("body", ["{bad", "[]", ""])
def test_a_body_that_is_no_json_object_is_told_so(url: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{url}/uploads/presign", data=body, headers=headers, timeout=9)
    assert answer.status_code == 422
    assert "JSON object" in answer.json()["detail"]


def test_without_s3_there_are_no_forms(api_url: str) -> None:
    for answer in (
        requests.post(f"{api_url}/uploads/presign", json={}, timeout=9),
        complete(api_url, "2026/11/20/x"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (501, "no_presigned_uploads")
        assert "use /upload" in answer.json()["detail"]


def test_a_body_that_is_too_large_is_told_where_to_go(url: str) -> None:
    answer = requests.post(
        f"{url}/upload",
        data=bytes(MAX_BODY_BYTES + 1),
        headers={"Content-Type": "image/jpeg"},
        timeout=9,
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "/uploads/presign" in answer.json()["detail"]


def test_an_image_that_fits_in_no_answer_comes_from_s3_itself(url: str) -> None:
    large = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (130, 130, 3), np.uint8)
    Image.fromarray(noise).save(large, "PNG")
    assert MAX_BODY_BYTES < len(large.getvalue()) < MAX_BYTES
    form = presign(url, filename="noise.png")
    form["fields"]["Content-Type"] = "text/html"  # what it is called by who sent it
    sent = send(form, large.getvalue())
    if sent.status_code == 403:  # not by this form
        del form["fields"]["Content-Type"]
        sent = send(form, large.getvalue())
    assert sent.ok, sent.text
    assert complete(url, form["key"]).ok
    answer = requests.get(f"{url}/images/{form['request_id']}", allow_redirects=False, timeout=9)
    assert answer.status_code == 302
    image = requests.get(answer.headers["Location"], timeout=9)
    assert image.content == large.getvalue()
    assert image.headers["Content-Type"] == "application/octet-stream"
