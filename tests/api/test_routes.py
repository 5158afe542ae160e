"""What the routes have in common: errors in one shape, readiness, their OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
import requests


def get(url: str, **parameters: Any) -> dict[str, Any]:
    answer = requests.get(url, params=parameters, timeout=30)
    assert answer.ok, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize("path", ["/results/1", "/images/..%2f..%2fetc", "/results/%00"])
def test_a_malformed_id_is_refused(api_url: str, path: str) -> None:
    answer = requests.get(api_url + path, timeout=30)
    assert answer.status_code in (404, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_path_and_a_wrong_method_are_problems_too(api_url: str) -> None:
    assert requests.get(f"{api_url}/nothing", timeout=30).json()["status"] == 404
    answer = requests.delete(f"{api_url}/upload", timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        405,
        "application/problem+json",
    )
    assert "POST" in answer.headers["Allow"]


def test_reading_the_load_never_waits(api_url: str) -> None:
    requests.get(f"{api_url}/stats", timeout=30)
    quickest_s = min(
        requests.get(f"{api_url}/stats", timeout=30).elapsed.total_seconds() for _ in range(10)
    )
    assert quickest_s < 0.1  # psutil's shortest measured interval


def test_ready_names_each_component(api_url: str) -> None:
    body = get(f"{api_url}/ready")
    assert body["ready"] is True
    assert body["components"].keys() == {"database", "broker", "worker"}
    assert get(f"{api_url}/health") == {"status": "ok"}


def test_the_openapi_document_is_31_and_has_a_page_to_try_it(api_url: str) -> None:
    document = get(f"{api_url}/openapi/openapi.json")
    assert document["openapi"].startswith("3.1")
    paths = {
        "/about",
        "/events",
        "/health",
        "/ready",
        "/upload",
        "/upload-image",
        "/upload_batch",
        "/uploads/presign",
        "/uploads/complete",
        "/results",
        "/results.csv",
        "/results/{request_id}",
        "/images/{request_id}",
        "/stats",
        "/stats/series",
        "/report.json",
    }
    assert document["paths"].keys() == paths
    assert document["paths"]["/upload"]["post"]["requestBody"]["content"].keys() == {
        "multipart/form-data",
        "image/*",
        "application/json",
    }
    page = requests.get(f"{api_url}/openapi/swagger", timeout=30)
    assert page.ok
    assert "http://" not in page.text.replace("http://www.w3.org", "")  # nothing from elsewhere
