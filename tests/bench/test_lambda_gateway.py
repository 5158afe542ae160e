"""The front door before a function: requests as events, answers back, and its limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from bench.lambda_lane.gateway import gateway
from tests.bench.pools import LIMIT_S, pool_of, until


def test_a_request_becomes_an_event_and_an_answer_comes_back(tmp_path: Path) -> None:
    with pool_of(tmp_path) as pool, gateway(pool) as url, requests.Session() as client:
        answer = client.post(
            f"{url}/a/b%20c?x=1&x=2&y=%26",
            data=b"\xff\x00",
            headers={"Cookie": "k=v; l=w", "X-Some": "Thing", "Content-Type": "image/jpeg"},
        )
        assert answer.status_code == 201
        assert answer.headers["x-twice"] == "no"
        assert (answer.cookies["a"], answer.cookies["b"]) == ("1", "2")
        event = answer.json()
        assert (event["rawPath"], event["rawQueryString"]) == ("/a/b%20c", "x=1&x=2&y=%26")
        assert event["queryStringParameters"] == {"x": "1,2", "y": "&"}
        assert event["cookies"] == ["k=v", "l=w"]
        assert event["headers"]["x-some"] == "Thing"
        assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)
        assert event["requestContext"]["requestId"] == answer.headers["apigw-requestid"]
        chunked = client.post(url, data=iter([b"one", b"two"]), headers={"Content-Type": "text/x"})
        assert (chunked.json()["body"], chunked.json()["isBase64Encoded"]) == ("onetwo", False)
        assert client.head(url).content == b""
        assert client.get(url).json()["requestContext"]["http"]["method"] == "GET"
        asked = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}
        assert client.options(url, headers=asked).headers["access-control-allow-origin"] == "*"


def test_a_request_beyond_the_reserved_concurrency_is_throttled(tmp_path: Path) -> None:
    with pool_of(tmp_path, concurrency=1) as pool, gateway(pool) as url:
        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(requests.get, f"{url}/?sleep_s=0.8", timeout=LIMIT_S)
            until(lambda: pool.count() == 1)
            second = requests.get(url, timeout=LIMIT_S)
            assert (second.status_code, second.json()) == (503, {"message": "Service Unavailable"})
            assert first.result().status_code == 201
        assert pool.ledger.throttles() == {"infer": 1}


def test_what_is_too_large_or_too_late_is_refused_as_by_api_gateway(tmp_path: Path) -> None:
    with (
        pool_of(tmp_path) as pool,
        gateway(pool, timeout_s=0.5) as url,
        requests.Session() as client,
    ):
        assert client.post(url, data=bytes(10 * 1024 * 1024 + 1)).status_code == 413
        assert client.post(url, data=bytes(5 * 1024 * 1024)).status_code == 413  # in base64
        assert client.get(url, headers={"X-Long": "x" * 11_000}).status_code == 431
        assert pool.ledger.invocations() == []
        assert client.get(f"{url}/?sleep_s=1.5").status_code == 503
        until(lambda: [one.outcome for one in pool.ledger.invocations()] == ["ok"])
