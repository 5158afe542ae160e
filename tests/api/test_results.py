"""Queries against a running stack."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

PREDECESSOR_ROW = [
    "id",
    "request_id",
    "image_name",
    "predicted_label",
    "true_label",
    "confidence",
    "inference_ms",
    "infer_latency_ms",
    "latency_ms",
    "created_at",
]


@pytest.fixture(scope="module")
def uploaded(api_url: str, tiles: list[Path]) -> list[dict[str, Any]]:
    answer = requests.post(
        f"{api_url}/upload_batch",
        files=[("files", (path.name, path.read_bytes())) for path in tiles],
        data=[("true_label", path.parent.name) for path in tiles],
        timeout=60,
    )
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def get(url: str, **parameters: Any) -> dict[str, Any]:
    answer = requests.get(url, params=parameters, timeout=30)
    assert answer.ok, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_results_come_newest_first_and_page_without_gaps(
    api_url: str, uploaded: list[dict[str, Any]]
) -> None:
    ids: list[int] = []
    cursor = None
    for _ in range(5):
        page = get(f"{api_url}/results", limit=7, cursor=cursor)
        assert page["count"] == len(page["results"]) == 7
        assert page["latency_ms"] > 0
        ids += [row["id"] for row in page["results"]]
        cursor = page["next_cursor"]
    assert ids == sorted(set(ids), reverse=True)


def test_the_rows_of_a_batch_are_in_the_order_it_was_sent_in(
    uploaded: list[dict[str, Any]],
) -> None:
    ids = [row["id"] for row in uploaded]
    assert ids == sorted(ids)


def test_the_last_page_says_that_it_is(api_url: str, uploaded: list[dict[str, Any]]) -> None:
    cursor = get(f"{api_url}/results", id=uploaded[9]["id"], limit=1)["next_cursor"]
    page = get(f"{api_url}/results", cursor=cursor, limit=1000)
    assert page["next_cursor"] is None
    assert {row["id"] for row in uploaded[:9]} <= {row["id"] for row in page["results"]}


def test_rows_keep_the_predecessors_names(api_url: str, uploaded: list[dict[str, Any]]) -> None:
    [row] = get(f"{api_url}/results", limit=1)["results"]
    assert not [name for name in PREDECESSOR_ROW if name not in row]


def test_each_filter_filters(api_url: str, uploaded: list[dict[str, Any]]) -> None:
    for name, field in (("label", "predicted_label"), ("status", "status"), ("lane", "lane")):
        value = uploaded[0][field]
        found = get(f"{api_url}/results", **{name: value}, limit=1000)["results"]
        assert uploaded[0]["id"] in {row["id"] for row in found}
        assert {row[field] for row in found} == {value}
    assert get(f"{api_url}/results", lane="serverless")["count"] == 0


def test_a_page_asks_for_many_at_once_by_their_ids(
    api_url: str, uploaded: list[dict[str, Any]]
) -> None:
    wanted = [row["request_id"] for row in uploaded[3:40:4]]
    found = get(f"{api_url}/results", request_id=wanted)["results"]
    assert [row["request_id"] for row in found] == wanted[::-1]


def test_the_least_sure_and_the_mistaken_can_be_looked_for(
    api_url: str, uploaded: list[dict[str, Any]]
) -> None:
    some: dict[str, Any] = {"request_id": [row["request_id"] for row in uploaded]}
    found: list[dict[str, Any]] = []
    cursor = None
    while not found or cursor:
        page = get(f"{api_url}/results", **some, sort="confidence", limit=20, cursor=cursor)
        found += page["results"]
        cursor = page["next_cursor"]
    assert len(found) == len(uploaded)
    assert found == sorted(found, key=lambda row: row["confidence"])
    for correct in (True, False):
        rows = get(f"{api_url}/results", **some, correct=correct, true_label="Forest")["results"]
        fits = [
            row["request_id"]
            for row in reversed(uploaded)
            if row["true_label"] == "Forest"
            and (row["predicted_label"] == row["true_label"]) is correct
        ]
        assert [row["request_id"] for row in rows] == fits


def test_an_image_is_found_by_a_part_of_its_name(
    api_url: str, uploaded: list[dict[str, Any]]
) -> None:
    name = uploaded[7]["image_name"]
    for path in ("results", "results.csv"):
        answer = requests.get(
            f"{api_url}/{path}", params={"search": name[2:-1].upper()}, timeout=30
        )
        assert name in answer.text
        assert uploaded[20]["image_name"] not in answer.text


@pytest.mark.parametrize("name", ["id", "request_id"])
def test_one_row_can_be_asked_for(api_url: str, uploaded: list[dict[str, Any]], name: str) -> None:
    [row] = get(f"{api_url}/results", **{name: uploaded[3][name]})["results"]
    assert row["id"] == uploaded[3]["id"]


def test_a_row_has_an_address(api_url: str, uploaded: list[dict[str, Any]]) -> None:
    row = get(f"{api_url}/results/{uploaded[0]['request_id']}")
    assert row["predicted_label"] == uploaded[0]["predicted_label"]
    stages = ("queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms")
    assert sum(row[stage] for stage in stages) <= row["latency_ms"] + 0.1


def test_an_id_that_nobody_has_is_not_found(api_url: str) -> None:
    for path in ("results", "images"):
        answer = requests.get(f"{api_url}/{path}/{uuid4()}", timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "-1"},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "99999999999999999999"},
        {"limit": "many"},
        {"cursor": "0"},
        {"cursor": str(2**63)},
        {"cursor": "0.5:7"},
        {"cursor": "7", "sort": "confidence"},
        {"cursor": "nan:7", "sort": "-confidence"},
        {"sort": "name"},
        {"true_label": "Atlantis"},
        {"correct": "perhaps"},
        {"search": ""},
        {"search": "x" * 101},
        {"search": "\0"},
        {"request_id": [str(UUID(int=n)) for n in range(101)]},
        {"id": "x"},
        {"request_id": "not-a-uuid"},
        {"status": "cancelled"},
        {"lane": "moon"},
        {"label": "Atlantis"},
        {"colour": "green"},
    ],
    ids=lambda parameters: str(parameters)[:40],
)
def test_an_absurd_query_is_refused_by_name(api_url: str, parameters: dict[str, Any]) -> None:
    answer = requests.get(f"{api_url}/results", params=parameters, timeout=30)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert next(iter(parameters)) in answer.json()["detail"]


def test_stats_add_up(api_url: str, uploaded: list[dict[str, Any]]) -> None:
    stats = get(f"{api_url}/stats")
    assert stats["total"] == sum(stats["status_distribution"].values())
    assert stats["total_predictions"] == sum(stats["label_distribution"].values()) >= 50
    assert stats["lane_distribution"] == {"on-prem": stats["total"]}
    assert stats["accuracy"] > 0.8
    assert stats["confusion_matrix"]["Forest"]["Forest"] >= 4
    assert stats["latency_percentiles"]["latency_ms"]["p99"] > 0
    assert stats["queue_depth"] >= 0
    assert stats["system_resources"]["memory_used_mb"] > 0


def test_stats_tell_who_works_and_what_went_wrong(api_url: str, tile: bytes) -> None:
    broken = requests.post(f"{api_url}/upload?wait=30", files={"file": tile[:500]}, timeout=60)
    stats = get(f"{api_url}/stats")
    assert stats["recent_errors"][broken.json()["code"]] >= 1
    [worker] = stats["workers"]
    assert worker["model_version"] == get(f"{api_url}/about")["model_version"]
    assert worker["memory_mb"] > 50


def test_the_series_tells_what_was_finished_of_late(
    api_url: str, uploaded: list[dict[str, Any]]
) -> None:
    series = get(f"{api_url}/stats/series", minutes=15)
    assert series["step_s"] == 10
    assert sum(point["done"] for point in series["points"]) >= len(uploaded)
    for point in series["points"]:
        assert point["lane"] == "on-prem"
        if point["done"]:
            assert 1 <= point["p50_ms"] <= point["p90_ms"] <= point["p99_ms"]
    for minutes in (0, 43_201, "x"):
        refused = requests.get(f"{api_url}/stats/series?minutes={minutes}", timeout=30)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


def test_the_csv_has_what_the_filters_leave(api_url: str, uploaded: list[dict[str, Any]]) -> None:
    label = uploaded[0]["predicted_label"]
    answer = requests.get(f"{api_url}/results.csv", params={"label": label}, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert "attachment" in answer.headers["Content-Disposition"]
    found = list(csv.DictReader(io.StringIO(answer.text)))
    listed = get(f"{api_url}/results", label=label, limit=1000)["results"]
    assert [row["request_id"] for row in found] == [row["request_id"] for row in listed]
    assert {row["predicted_label"] for row in found} == {label}
    assert float(found[0]["confidence"]) == pytest.approx(listed[0]["confidence"], abs=1e-6)
    refused = requests.get(f"{api_url}/results.csv", params={"limit": 3}, timeout=30)
    assert refused.status_code == 422


def test_a_name_is_no_formula_in_a_spreadsheet(api_url: str, tile: bytes) -> None:
    files = {"file": ("=HYPERLINK(1).jpg", tile)}
    told = requests.post(f"{api_url}/upload?wait=30", files=files, timeout=60).json()
    answer = requests.get(
        f"{api_url}/results.csv", params={"request_id": told["request_id"]}, timeout=30
    )
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert row["image_name"] == "'=HYPERLINK(1).jpg"


def test_what_is_deleted_is_gone_from_everywhere(api_url: str, tile: bytes) -> None:
    before = get(f"{api_url}/stats")["total"]
    answer = requests.post(f"{api_url}/upload?wait=30", files={"file": ("a.jpg", tile)}, timeout=60)
    request_id = answer.json()["request_id"]
    url = f"{api_url}/results/{request_id}"
    assert requests.delete(url, timeout=30).status_code == 204
    for gone in (url, f"{api_url}/images/{request_id}"):
        assert requests.get(gone, timeout=30).status_code == 404
    assert get(f"{api_url}/stats")["total"] == before
    again = requests.delete(url, timeout=30)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
