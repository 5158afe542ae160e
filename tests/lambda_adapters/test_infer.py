"""Events through the real handler, on a real database, a real S3 server and the served model."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from lambda_adapters import infer, metrics
from lambda_adapters.environment import Environment
from local.s3 import BUCKET
from model.images import decode
from settings import Settings
from store.records import NO_PREDICTION, Outcome
from tasks import measures
from tests.lambda_adapters.conftest import STREAM, Put
from tests.lambda_adapters.shapes import of_eventbridge, of_s3, of_sqs, shape
from tests.lambda_adapters.told import accepted, failed, rows


def test_each_kind_of_event_classifies_every_object_it_tells_of(
    at_hand: Environment, put: Put, tiles: list[Path]
) -> None:
    one, two, three, four, five, six = [put(path.read_bytes()) for path in tiles[:6]]
    assert infer.handler(of_s3([one, two]), None) == {"objects": 2}
    assert infer.handler(of_eventbridge(three), None) == {"objects": 1}
    batch = of_sqs([of_s3([four, five]), of_eventbridge(six), shape("test_event")])
    assert failed(infer.handler(batch, None)) == []
    found = rows(at_hand)
    assert [row["status"] for row in found.values()] == ["done"] * 6
    assert {row["lane"] for row in found.values()} == {"serverless"}
    assert {row["worker"] for row in found.values()} == {STREAM}
    assert found[four.key]["batch_size"] == 3  # the messages of a batch share a prediction
    predictor = at_hand.bench.predictor
    pixels = np.stack([decode(path.read_bytes()) for path in tiles[:6]])
    for reference, given in zip(
        (one, two, three, four, five, six), predictor.predict(pixels), strict=True
    ):
        told = found[reference.key]["probabilities"]
        assert [told[label] for label in predictor.labels] == pytest.approx(given, abs=1e-6)


def test_what_was_done_is_told_as_metrics(
    at_hand: Environment, put: Put, tiles: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    references = [put(path.read_bytes()) for path in tiles[:3]]
    references.append(put(tiles[3].read_bytes()[:900]))
    infer.handler(of_s3(references), None)
    infer.handler(of_s3(references), None)  # nothing is left to do, and so to tell
    [line] = [line for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    told = json.loads(line)
    [described] = told["_aws"]["CloudWatchMetrics"]
    assert (described["Namespace"], told["service"]) == ("Skylane", "infer")
    assert told["skylane_images_done_total"] == [3]
    assert told["skylane_images_failed_total"] == [1]
    assert told["skylane_images_unpredicted_total"] == [0]
    assert told["skylane_batch_images"] == [4]
    assert told["skylane_cold_starts_total"] == [1]
    seconds = {name: told[name] for name in measures.STAGES}
    [row] = at_hand.predictions.of(references[:1])
    assert seconds.pop("skylane_record_seconds")[0] > 0  # the row's is the database's own measure
    for name in seconds:
        member = measures.STAGES[name]
        assert seconds[name] == [pytest.approx(row[member] / 1000, rel=1e-4)]
    assert told["skylane_attempts_total"] == [4]
    assert len(told["skylane_queue_seconds"]) == 4
    units = {one["Name"]: one["Unit"] for one in described["Metrics"]}
    assert {units[name] for name in measures.STAGES} == {"Seconds"}


def test_images_that_a_model_gives_no_prediction_of_are_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    codes = (NO_PREDICTION, "undecodable", NO_PREDICTION, None)
    metrics.tell([Outcome(key=f"{n}", version="", error_code=one) for n, one in enumerate(codes)])
    told = json.loads(capsys.readouterr().out)
    assert (told[measures.FAILED], told[measures.UNPREDICTED]) == ([3], [2])


def test_a_test_event_is_ignored(at_hand: Environment) -> None:
    assert infer.handler(shape("test_event"), None) == {"objects": 0}


def test_events_delivered_three_times_and_shuffled_give_one_result_each(
    at_hand: Environment, put: Put, tiles: list[Path]
) -> None:
    references = [put(path.read_bytes()) for path in tiles[:20]]
    messages = [of_s3([reference]) for reference in references] * 3
    random.Random(4).shuffle(messages)
    for start in range(0, len(messages), 10):
        assert failed(infer.handler(of_sqs(messages[start : start + 10]), None)) == []
    found = rows(at_hand)
    assert len(found) == 20
    assert {(row["status"], row["attempts"]) for row in found.values()} == {("done", 1)}


def test_two_versions_of_an_object_are_two_pieces_of_work(
    at_hand: Environment, put: Put, tiles: list[Path]
) -> None:
    key = f"images/2026/11/20/{uuid4()}"
    for path in (tiles[0], tiles[9]):
        infer.handler(of_s3([put(path.read_bytes(), key)]), None)
    found = at_hand.predictions.newest(9)
    assert [row["status"] for row in found] == ["done", "done"]
    assert len({row["request_id"] for row in found}) == 2


def test_an_object_that_was_overwritten_is_not_taken_for_what_it_was(
    at_hand: Environment, put: Put, tiles: list[Path]
) -> None:
    key = f"images/2026/11/20/{uuid4()}"
    first, second = [put(path.read_bytes(), key) for path in (tiles[0], tiles[9])]
    assert failed(infer.handler(of_sqs([of_s3([first]), of_s3([second])]), None)) == []
    found = {row["storage_version"]: row for row in at_hand.predictions.newest(9)}
    assert found[first.version]["error_code"] == "image_missing"
    assert found[second.version]["status"] == "done"


def test_an_object_that_came_past_the_api_gets_a_row_that_says_what_is_known(
    at_hand: Environment, put: Put, tile: bytes
) -> None:
    request_id = uuid4()
    presigned = put(
        tile, f"images/2026/11/20/{request_id}", filename="wood.jpg", **{"true-label": "Forest"}
    )
    copied = put(tile, "drop/by hand.jpg", **{"true-label": "Unicorn"})
    infer.handler(of_s3([presigned, copied]), None)
    found = rows(at_hand)
    row = found[presigned.key]
    assert row["request_id"] == str(request_id)
    assert (row["image_name"], row["true_label"], row["sha256"]) == ("wood.jpg", "Forest", None)
    assert (row["content_type"], row["predicted_label"]) == ("image/jpeg", "Forest")
    assert (found[copied.key]["image_name"], found[copied.key]["true_label"]) == (
        "by hand.jpg",
        None,
    )


@pytest.mark.parametrize("event_first", [True, False])
def test_an_event_and_the_api_meet_in_one_row_whichever_comes_first(
    event_first: bool, at_hand: Environment, put: Put, tile: bytes
) -> None:
    request_id = uuid4()
    reference = put(tile, f"images/2026/11/20/{request_id}")
    steps: list[Callable[[], object]] = [
        lambda: infer.handler(of_s3([reference]), None),
        lambda: at_hand.predictions.insert([accepted(reference, request_id)]),
    ]
    for step in steps if event_first else steps[::-1]:
        step()
    [row] = at_hand.predictions.newest(9)
    assert (row["request_id"], row["status"]) == (str(request_id), "done")
    assert (row["image_name"], row["true_label"]) == ("forest.jpg", "Forest")
    assert row["sha256"] == "ab" * 32


def test_a_model_on_s3_is_served_from_tmp(
    at_hand: Environment, put: Put, s3_endpoint: str, tile: bytes, tmp_path: Path
) -> None:
    data = Settings().artefact.read_bytes()
    key = put(data, "models/another.zip").key
    chosen = Settings(
        home=tmp_path,
        artefact=tmp_path / "none.zip",
        artefact_url=f"s3://{BUCKET}/{key}#sha256={hashlib.sha256(data).hexdigest()}",
        images_url=f"s3://{BUCKET}/images",
        s3_endpoint_url=s3_endpoint,
    )
    made = Environment(chosen)
    pixels = decode(tile)[None]
    expected = at_hand.bench.predictor.predict(pixels)
    assert made.bench.predictor.predict(pixels) == pytest.approx(expected)
    assert len(list((tmp_path / "artefacts").iterdir())) == 1
