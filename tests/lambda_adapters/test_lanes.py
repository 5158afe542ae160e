"""One program in two lanes: what they say of an image is the same."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from lambda_adapters import infer
from lambda_adapters.environment import Environment
from tests.lambda_adapters.conftest import Put
from tests.lambda_adapters.shapes import of_s3, of_sqs
from tests.stack import until


def pictures(tiles: list[Path]) -> list[bytes]:
    """Return 200 different pictures: each tile in four quarter turns, without loss."""
    turned = []
    for path in tiles:
        for turn in range(4):
            file = io.BytesIO()
            Image.open(path).rotate(90 * turn).save(file, "PNG")
            turned.append(file.getvalue())
    return turned


def test_two_hundred_pictures_are_told_alike_in_both_lanes(
    api_url: str, at_hand: Environment, put: Put, tiles: list[Path]
) -> None:
    data = pictures(tiles)
    files = [("files", (f"{n}.png", one, "image/png")) for n, one in enumerate(data)]
    answer = requests.post(f"{api_url}/upload_batch?wait=0", files=files, timeout=60).json()
    ids = [result["request_id"] for result in answer["results"]]

    def on_prem() -> list[dict[str, Any]]:
        pages = []
        for start in range(0, len(ids), 100):
            query: dict[str, Any] = {"request_id": ids[start : start + 100], "limit": 100}
            pages.append(requests.get(f"{api_url}/results", params=query, timeout=9).json())
        by_id = {row["request_id"]: row for page in pages for row in page["results"]}
        return [by_id[one] for one in ids]

    until(lambda: all(row["status"] == "done" for row in on_prem()), limit_s=60)

    references = [put(one) for one in data]
    for start in range(0, len(references), 10):
        messages = [of_s3([reference]) for reference in references[start : start + 10]]
        assert infer.handler(of_sqs(messages), None) == {"batchItemFailures": []}
    serverless = {row["storage_key"]: row for row in at_hand.predictions.of(references)}

    assert len(serverless) == len(data) == 200
    for row, reference in zip(on_prem(), references, strict=True):
        other = serverless[reference.key]
        assert row["predicted_label"] == other["predicted_label"]
        assert row["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)
        assert row["model_version"] == other["model_version"]
