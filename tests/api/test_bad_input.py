"""Whatever is uploaded, there is a defined answer, and nobody else's image suffers."""

from __future__ import annotations

import base64
import json
import socket
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import requests

from model.formats import MEDIA_TYPES
from tests.corpus import CASES, Case
from tests.corpus.case import by_name

PROBLEM = "application/problem+json"
AT_THE_DOOR = {"empty_file": 400, "not_an_image": 415}


def post(url: str, **arguments: Any) -> requests.Response:
    return requests.post(f"{url}/upload?wait=30", timeout=60, **arguments)


def code_of(answer: requests.Response) -> str:
    assert answer.headers["Content-Type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"].endswith(problem["code"])
    assert problem["detail"]
    code: str = problem["code"]
    return code


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_every_kind_of_file_has_its_answer(api_url: str, case: Case) -> None:
    answer = post(api_url, files={"file": (f"{case.name}.jpg", case.data)})
    if case.expects is None:
        assert (answer.status_code, answer.json()["status"]) == (200, "done"), answer.text
        return
    assert answer.status_code == AT_THE_DOOR.get(case.expects, 422), answer.text
    assert code_of(answer) == case.expects
    if case.expects not in AT_THE_DOOR:
        # It was accepted, and so it has a row that says what became of it.
        row = requests.get(f"{api_url}/results/{answer.json()['request_id']}", timeout=9).json()
        assert (row["status"], row["error"]["code"]) == ("failed", case.expects)


def test_neighbours_of_bad_images_are_done(api_url: str, tile: bytes) -> None:
    bad = [case for case in CASES if case.expects and not case.limit_s]
    files = [("files", ("good.jpg", tile))]
    for case in bad:
        files += [("files", (case.name, case.data)), ("files", ("good.jpg", tile))]
    answer = requests.post(f"{api_url}/upload_batch?wait=60", files=files, timeout=90)
    results = answer.json()["results"]
    assert [result["status"] for result in results[::2]] == ["done"] * (len(bad) + 1)
    assert [result["error"]["code"] for result in results[1::2]] == [case.expects for case in bad]


def test_the_bytes_decide_and_not_the_declared_type(api_url: str, tile: bytes) -> None:
    for declared in ("image/png", "image/x-unheard-of"):
        answer = post(api_url, data=tile, headers={"Content-Type": declared})
        assert (answer.status_code, answer.json()["content_type"]) == (200, "image/jpeg")


@pytest.mark.parametrize("declared", ["text/plain", "application/octet-stream", ""])
def test_a_body_of_no_form_that_is_known_is_refused(
    api_url: str, tile: bytes, declared: str
) -> None:
    answer = post(api_url, data=tile, headers={"Content-Type": declared})
    assert (answer.status_code, code_of(answer)) == (415, "unsupported_media_type")
    assert "multipart/form-data" in answer.json()["detail"]


def test_a_refused_format_names_the_accepted_ones(api_url: str) -> None:
    answer = post(api_url, files={"file": ("a.svg", b"<svg/>")})
    assert answer.json()["accepted_formats"] == list(MEDIA_TYPES)


@pytest.mark.parametrize(
    "arguments",
    [
        {"files": {"picture": ("a.jpg", b"x")}},
        {"data": {"file": "not a file"}, "files": {"other": ("a", b"x")}},
        {"json": {}},
        {"json": {"image_base64": 7}},
        {"json": ["image_base64"]},
        {"json": None, "data": "null", "headers": {"Content-Type": "application/json"}},
    ],
    ids=str,
)
def test_a_missing_field_is_named(api_url: str, arguments: dict[str, Any]) -> None:
    answer = post(api_url, **arguments)
    assert (answer.status_code, code_of(answer)) == (400, "missing_field")


@pytest.mark.parametrize("text", ["***", "abc", "data:image/png;base64,%%%", "é"])
def test_invalid_base64_is_named(api_url: str, text: str) -> None:
    answer = post(api_url, json={"image_base64": text})
    assert (answer.status_code, code_of(answer)) == (400, "invalid_base64")


def test_base64_of_nothing_is_an_empty_file(api_url: str) -> None:
    answer = post(api_url, json={"image_base64": ""})
    assert (answer.status_code, code_of(answer)) == (400, "empty_file")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"image_base64": NaN'])
def test_broken_json_is_a_client_error(api_url: str, body: bytes) -> None:
    answer = post(api_url, data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, code_of(answer)) == (400, "bad_request")
    assert answer.json()["detail"].startswith("The body is not JSON: ")


@pytest.mark.parametrize("label", ["Atlantis", "forest", "x" * 10_000, "'; DROP TABLE"])
def test_an_unknown_label_is_refused_with_the_known_ones(
    api_url: str, tile: bytes, label: str
) -> None:
    for answer in (
        post(api_url, files={"file": ("a", tile)}, data={"true_label": label}),
        post(
            api_url,
            json={"image_base64": base64.b64encode(tile).decode(), "true_label": label},
        ),
    ):
        assert (answer.status_code, code_of(answer)) == (422, "unknown_label")
        assert "Forest" in answer.json()["accepted_labels"]


def test_too_many_bytes_are_refused_with_the_limit(api_url: str) -> None:
    image = b"\xff\xd8\xff" + bytes(10 * 1024 * 1024)
    answer = post(api_url, data=image, headers={"Content-Type": "image/jpeg"})
    assert (answer.status_code, code_of(answer)) == (413, "image_bytes_too_many")
    assert answer.json()["max_bytes"] == 10 * 1024 * 1024


def test_a_body_that_only_claims_to_be_huge_is_refused_unread(api_url: str) -> None:
    client = HTTPConnection(urlsplit(api_url).netloc, timeout=10)
    client.putrequest("POST", "/upload")
    client.putheader("Content-Type", "image/jpeg")
    client.putheader("Content-Length", "99999999999")
    client.endheaders()
    # Not a bare recv(): an answer may come in more than one segment.
    with closing(client), client.getresponse() as answer:
        assert answer.status == 413
        assert json.load(answer)["code"] == "body_too_large"


def test_a_body_that_is_cut_off_is_no_image(api_url: str, tile: bytes) -> None:
    address = urlsplit(api_url)
    assert address.hostname
    head = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    for rest in (
        b"Content-Length: %d\r\n\r\n" % (len(tile) + 1) + tile,
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
    ):
        with socket.create_connection((address.hostname, address.port or 80), timeout=10) as client:
            client.sendall(head + rest)
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 400"), answer
        assert b"incomplete_body" in answer


def test_json_without_end_is_a_client_error(api_url: str) -> None:
    answer = post(api_url, data=b"[" * 60_000, headers={"Content-Type": "application/json"})
    assert (answer.status_code, code_of(answer)) == (400, "bad_request")


def test_a_batch_without_files_and_one_without_a_good_file_are_refused(api_url: str) -> None:
    url = f"{api_url}/upload_batch"
    answer = requests.post(url, files={"file": ("a", b"x")}, timeout=30)
    assert (answer.status_code, code_of(answer)) == (400, "missing_field")
    answer = requests.post(url, files=[("files", ("a", b"x")), ("files", ("b", b""))], timeout=30)
    assert (answer.status_code, code_of(answer)) == (422, "no_valid_file")
    codes = [result["error"]["code"] for result in answer.json()["results"]]
    assert codes == ["not_an_image", "empty_file"]


def test_more_files_than_the_limit_are_refused(api_url: str, tile: bytes) -> None:
    files = [("files", (f"{number}.jpg", b"\xff\xd8\xff")) for number in range(1001)]
    answer = requests.post(f"{api_url}/upload_batch", files=files, timeout=60)
    assert (answer.status_code, code_of(answer)) == (413, "too_many_files")


def test_what_is_too_much_of_a_form_is_named(api_url: str, tile: bytes) -> None:
    one = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\na\r\n'
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = requests.post(
        f"{api_url}/upload_batch", data=one * 10_000 + b"--x--\r\n", headers=form, timeout=30
    )
    assert (answer.status_code, code_of(answer)) == (413, "too_many_files")
    assert " 1000 files" in answer.json()["detail"]
    answer = post(api_url, files={"file": ("a", tile)}, data={"true_label": "x" * 1_100_000})
    assert (answer.status_code, code_of(answer)) == (413, "form_too_large")
    assert " 1000000 bytes" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "code", "detail"),
    [
        (b"caf\xe9.jpg", "bad_request", "not UTF-8"),
        (b"caf\ne.jpg", "missing_field", "line break"),
    ],
    ids=str,
)
@pytest.mark.parametrize(("path", "field"), [("upload", b"file"), ("upload_batch", b"files")])
def test_a_file_is_not_said_to_be_missing_for_its_name(
    api_url: str, tile: bytes, name: bytes, code: str, detail: str, path: str, field: bytes
) -> None:
    told = b'Content-Disposition: form-data; name="%s"; filename="%s"' % (field, name)
    answer = requests.post(
        f"{api_url}/{path}",
        data=b"--x\r\n" + told + b"\r\n\r\n" + tile + b"\r\n--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        timeout=30,
    )
    assert (answer.status_code, code_of(answer)) == (400, code)
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "nul\x00inside", "\u202egpj.exe", "ä" * 400, "\ud800", "'\"<b>"]
)
def test_no_name_does_harm(api_url: str, tile: bytes, name: str) -> None:
    document = {"image_base64": base64.b64encode(tile).decode(), "filename": name}
    body = post(api_url, json=document).json()
    assert body["status"] == "done"
    assert len(body["image_name"]) <= 255
    assert body["image_name"].isprintable()
    UUID(body["request_id"])


def test_a_polyglot_is_served_back_as_an_image_and_nothing_else(api_url: str, tile: bytes) -> None:
    polyglot = tile + b"<script>alert(1)</script>"
    request_id = post(api_url, files={"file": ("a.html", polyglot)}).json()["request_id"]
    answer = requests.get(f"{api_url}/images/{request_id}", timeout=9)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
