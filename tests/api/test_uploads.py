"""Uploads against a running stack: every form, every way to wait."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.stack import WORKER, Stack

PREDECESSOR_UPLOAD = [
    "prediction_id",
    "filename",
    "predicted_label",
    "true_label",
    "confidence",
    "inference_ms",
    "latency_ms",
]
CLOUD_UPLOAD = ["request_id", "bucket", "s3_key", "content_type"]


def multipart(data: bytes, **form: str) -> dict[str, Any]:
    return {"files": {"file": ("forest.jpg", data, "image/jpeg")}, "data": form}


def as_forms(data: bytes) -> dict[str, dict[str, Any]]:
    return {
        "multipart": multipart(data),
        "raw": {"data": data, "headers": {"Content-Type": "image/jpeg"}},
        "json": {"json": {"image_base64": base64.b64encode(data).decode()}},
        "data url": {
            "json": {"image_base64": "data:image/jpeg;base64," + base64.b64encode(data).decode()}
        },
    }


@pytest.mark.parametrize("path", ["/upload", "/upload-image"])
@pytest.mark.parametrize("form", ["multipart", "raw", "json", "data url"])
def test_every_form_is_answered_with_the_finished_prediction(
    api_url: str, tile: bytes, form: str, path: str
) -> None:
    answer = requests.post(api_url + path, **as_forms(tile)[form], timeout=30)
    body = answer.json()
    assert answer.status_code == 200, body
    assert (body["status"], body["predicted_label"]) == ("done", "Forest")
    assert answer.headers["Location"] == f"/results/{body['request_id']}"


def test_the_predecessors_fields_keep_their_names(api_url: str, tile: bytes) -> None:
    body = requests.post(
        f"{api_url}/upload", **multipart(tile, true_label="Forest"), timeout=30
    ).json()
    assert not [name for name in PREDECESSOR_UPLOAD + CLOUD_UPLOAD if name not in body]
    assert body["filename"] == "forest.jpg"
    assert body["true_label"] == "Forest"
    assert body["resources"].keys() == {"cpu_percent", "memory_percent", "memory_used_mb"}
    assert sum(body["probabilities"].values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "wish",
    [
        {"params": {"wait": "0"}},
        {"headers": {"Prefer": "respond-async"}},
        {"headers": {"Prefer": "wait=0"}},
        {"headers": {"prefer": "RESPOND-ASYNC"}},
    ],
    ids=str,
)
def test_who_does_not_want_to_wait_gets_202_and_where_to_look(
    stack: Stack, tile: bytes, wish: dict[str, Any]
) -> None:
    with stack.frozen(WORKER):  # or it might be quicker than the answer
        answer = requests.post(f"{stack.url}/upload", **multipart(tile), **wish, timeout=30)
    assert answer.status_code == 202
    body = answer.json()
    assert body["status"] in ("pending", "running")
    assert body["predicted_label"] is None
    assert answer.headers["Location"].endswith(body["request_id"])
    assert requests.get(stack.url + answer.headers["Location"], timeout=30).ok


@pytest.mark.parametrize(
    "wish",
    [
        {"params": {"wait": "20"}},
        {"headers": {"Prefer": "wait=20"}},
        {"headers": {"Prefer": "respond-async, wait=20"}},
        {"headers": {"Prefer": 'foo; bar, wait="20"'}},
        {"headers": {"Prefer": "wait=nonsense"}},
        {"params": {"wait": "20"}, "headers": {"Prefer": "respond-async"}},
    ],
    ids=str,
)
def test_who_wants_to_wait_gets_the_prediction(
    api_url: str, tile: bytes, wish: dict[str, Any]
) -> None:
    answer = requests.post(f"{api_url}/upload", **multipart(tile), **wish, timeout=30)
    assert (answer.status_code, answer.json()["status"]) == (200, "done")


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "nan", "inf", ""])
def test_a_wait_that_makes_no_sense_is_refused(api_url: str, tile: bytes, wait: str) -> None:
    answer = requests.post(
        f"{api_url}/upload", **multipart(tile), params={"wait": wait}, timeout=30
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_a_batch_is_answered_in_its_order(api_url: str, tiles: list[Path]) -> None:
    answer = requests.post(
        f"{api_url}/upload_batch",
        files=[("files", (path.name, path.read_bytes())) for path in tiles],
        data=[("true_label", path.parent.name) for path in tiles],
        timeout=60,
    )
    results = answer.json()["results"]
    assert answer.status_code == 200
    assert [result["filename"] for result in results] == [path.name for path in tiles]
    assert [result["true_label"] for result in results] == [path.parent.name for path in tiles]
    assert all(result["status"] == "done" for result in results)


def test_a_bad_file_is_reported_beside_the_good_ones(api_url: str, tile: bytes) -> None:
    sent = [
        ("good.jpg", tile),
        ("empty.jpg", b""),
        ("text.jpg", b"hello there"),
        ("cut.jpg", tile[:700]),
        ("also-good.jpg", tile),
    ]
    answer = requests.post(
        f"{api_url}/upload_batch", files=[("files", one) for one in sent], timeout=60
    )
    outcomes = [
        (result["status"], result["error"] and result["error"]["code"])
        for result in answer.json()["results"]
    ]
    assert answer.status_code == 200
    assert outcomes == [
        ("done", None),
        ("rejected", "empty_file"),
        ("rejected", "not_an_image"),
        ("failed", "truncated_image"),
        ("done", None),
    ]


def test_a_batch_that_does_not_wait_is_answered_202(stack: Stack, tile: bytes) -> None:
    with stack.frozen(WORKER):
        answer = requests.post(
            f"{stack.url}/upload_batch?wait=0", files=[("files", ("a.jpg", tile))] * 3, timeout=30
        )
    assert answer.status_code == 202
    assert len({result["request_id"] for result in answer.json()["results"]}) == 3


def test_labels_of_a_batch_must_match_its_files(api_url: str, tile: bytes) -> None:
    answer = requests.post(
        f"{api_url}/upload_batch",
        files=[("files", ("a.jpg", tile))] * 3,
        data=[("true_label", "Forest")] * 2,
        timeout=30,
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "wrong_number_of_labels")


def test_a_picture_comes_back_as_it_was_sent(api_url: str, tile: bytes) -> None:
    request_id = requests.post(f"{api_url}/upload", **multipart(tile), timeout=30).json()[
        "request_id"
    ]
    answer = requests.get(f"{api_url}/images/{request_id}", timeout=30)
    assert answer.content == tile
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    again = requests.get(
        f"{api_url}/images/{request_id}",
        headers={"If-None-Match": answer.headers["ETag"]},
        timeout=30,
    )
    assert again.status_code == 304
