"""Events through the real handler, on a real database, a real S3 server and the served model."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from lambda_adapters import infer
from lambda_adapters.environment import Environment
from lambda_adapters.events import EventError
from local.s3 import BUCKET
from model.images import Pixels, decode
from settings import Settings
from store.database import Database
from store.errors import ImageRefused, StoreError
from store.predictions import NewPrediction
from store.references import Reference
from tasks import measures
from tasks.classify import Workbench, classify
from tests.lambda_adapters.conftest import STREAM, Put
from tests.lambda_adapters.shapes import of_eventbridge, of_s3, of_sqs, shape


def rows(at_hand: Environment) -> dict[str, dict[str, Any]]:
    return {row["storage_key"]: row for row in at_hand.predictions.list(limit=100)}


def failed(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def fails_as_a_whole(batch: dict[str, Any]) -> bool:
    """Whether all of a batch comes again, which is an error of the function."""
    try:
        infer.handler(batch, None)
    except BatchProcessingError:
        return True
    return False


def accepted(reference: Reference, request_id: UUID) -> NewPrediction:
    return NewPrediction(
        request_id=request_id,
        lane="serverless",
        image_name="forest.jpg",
        content_type="image/jpeg",
        size_bytes=1,
        sha256="ab" * 32,
        reference=reference,
        true_label="Forest",
    )


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
    found = at_hand.predictions.list(limit=9)
    assert [row["status"] for row in found] == ["done", "done"]
    assert len({row["request_id"] for row in found}) == 2


def test_an_object_that_was_overwritten_is_not_taken_for_what_it_was(
    at_hand: Environment, put: Put, tiles: list[Path]
) -> None:
    key = f"images/2026/11/20/{uuid4()}"
    first, second = [put(path.read_bytes(), key) for path in (tiles[0], tiles[9])]
    assert failed(infer.handler(of_sqs([of_s3([first]), of_s3([second])]), None)) == []
    found = {row["storage_version"]: row for row in at_hand.predictions.list(limit=9)}
    assert found[first.version]["error_code"] == "image_missing"
    assert found[second.version]["status"] == "done"


def test_an_object_in_another_bucket_does_not_hide_ours(
    at_hand: Environment, put: Put, tile: bytes
) -> None:
    reference = put(tile)
    replica = of_s3([reference], bucket="replica")
    answer = infer.handler(of_sqs([of_s3([reference]), replica]), None)
    assert failed(answer) == ["m1"]
    assert rows(at_hand)[reference.key]["status"] == "done"


@pytest.mark.parametrize("accepted_before", [True, False])
def test_an_object_that_may_not_be_read_does_not_keep_its_neighbours(
    at_hand: Environment,
    put: Put,
    tiles: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    accepted_before: bool,
) -> None:
    references = [put(path.read_bytes()) for path in tiles[:3]]
    if accepted_before:
        at_hand.predictions.adopt([accepted(one, uuid4()) for one in references])
    get, describe = at_hand.images.get, at_hand.images.describe

    def forbidden(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def asked(what: Any) -> Any:
            if references[1].key in (what, what[0]):
                raise ImageRefused("image store: 403 Forbidden")
            return of(what)

        return asked

    monkeypatch.setattr(at_hand.images, "get", forbidden(get))
    monkeypatch.setattr(at_hand.images, "describe", forbidden(describe))
    answer = infer.handler(of_sqs([of_s3([reference]) for reference in references]), None)
    assert failed(answer) == ["m1"]
    found = rows(at_hand)
    assert [found[one.key]["status"] for one in references[::2]] == ["done", "done"]
    # Without what S3 knows of it a row would be wrong for ever; one that is there stays.
    refused = found.get(references[1].key)
    assert (refused and refused["status"]) == ("pending" if accepted_before else None)


def test_an_upload_that_the_api_took_back_is_no_image(at_hand: Environment) -> None:
    gone = Reference(f"images/2026/11/20/{uuid4()}", "0" * 32)
    assert failed(infer.handler(of_sqs([of_s3([gone])]), None)) == []
    assert rows(at_hand) == {}


def test_what_is_larger_than_an_image_may_be_is_not_read(
    at_hand: Environment, put: Put, tile: bytes
) -> None:
    large, good = put(bytes(Settings().max_image_bytes + 1)), put(tile)
    assert failed(infer.handler(of_sqs([of_s3([large]), of_s3([good])]), None)) == []
    found = rows(at_hand)
    assert found[large.key]["error_code"] == "image_bytes_too_many"
    assert found[good.key]["status"] == "done"


def test_what_was_begun_most_often_goes_last_and_in_the_end_not_at_all(
    at_hand: Environment, put: Put, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    killer, spent, bystander, fresh = [put(path.read_bytes()) for path in tiles[:4]]
    for reference, attempts in ((killer, 2), (spent, 3), (bystander, 1), (fresh, 0)):
        at_hand.predictions.adopt([accepted(reference, uuid4())])
        at_hand.database.query(
            "UPDATE predictions SET attempts = %s WHERE storage_key = %s", (attempts, reference.key)
        )
    tried: list[list[Reference]] = []

    def dying(references: list[Reference], bench: Workbench) -> list[Any]:
        tried.append(references)
        return classify(references, bench)

    monkeypatch.setattr(infer, "classify", dying)
    batch = of_sqs([of_s3([one]) for one in (killer, spent, bystander, fresh)])
    assert failed(infer.handler(batch, None)) == ["m1"]  # the sweep gives it up
    assert tried == [[fresh], [bystander], [killer]]


def test_a_bad_image_is_an_outcome_and_not_a_failure(
    at_hand: Environment, put: Put, tile: bytes
) -> None:
    good, bad = put(tile), put(tile[:900])
    gone = Reference("drop/never-stored.jpg", "0" * 32)
    assert failed(infer.handler(of_sqs([of_s3([one]) for one in (good, bad, gone)]), None)) == []
    found = rows(at_hand)
    assert found[good.key]["status"] == "done"
    assert found[bad.key]["error_code"] == "truncated_image"
    assert found[gone.key]["error_code"] == "image_missing"


def test_what_is_no_event_goes_to_the_dead_letters_alone(
    at_hand: Environment, put: Put, tile: bytes
) -> None:
    good, elsewhere = put(tile), of_s3([Reference("a.jpg", "0" * 32)], bucket="another-bucket")
    nul = of_s3([Reference("a\0.jpg", "0" * 32)])
    answer = infer.handler(of_sqs(["not JSON", of_s3([good]), "{}", elsewhere, nul]), None)
    assert failed(answer) == ["m0", "m2", "m3", "m4"]
    assert rows(at_hand)[good.key]["status"] == "done"
    with pytest.raises(EventError):
        infer.handler({"Records": [{"eventName": "ObjectCreated:Put"}]}, None)
    with pytest.raises(infer.NotFinished, match="another-bucket, not in tiles"):
        infer.handler(elsewhere, None)


def test_an_image_that_breaks_its_worker_fails_alone_once_it_was_tried_with_others(
    at_hand: Environment, put: Put, tiles: list[Path], database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    references = [put(path.read_bytes()) for path in tiles[:3]]
    predict = at_hand.bench.predictor.predict
    shown: list[int] = []

    def breaking(pixels: Pixels) -> Any:
        shown.append(len(pixels))
        if any((one == poison).all() for one in pixels):
            raise RuntimeError("a broken kernel")
        return predict(pixels)

    poison = decode(tiles[1].read_bytes())
    monkeypatch.setattr(at_hand.bench.predictor, "predict", breaking)
    batch = of_sqs([of_s3([reference]) for reference in references])
    assert fails_as_a_whole(batch)
    # SQS waits longer than this before it delivers again.
    Database(database_url).query("UPDATE predictions SET started_at = now() - interval '1 hour'")
    assert failed(infer.handler(batch, None)) == ["m1"]
    assert shown == [3, 1, 1, 1]
    found = rows(at_hand)
    assert [found[one.key]["status"] for one in references] == ["done", "running", "done"]


def test_work_that_another_environment_has_comes_again(
    at_hand: Environment, put: Put, tile: bytes
) -> None:
    reference = put(tile)
    at_hand.predictions.adopt([accepted(reference, uuid4())])
    at_hand.predictions.claim([reference], "another", 30.0)
    assert fails_as_a_whole(of_sqs([of_s3([reference])]))
    at_hand.predictions.release([reference], "another")
    assert failed(infer.handler(of_sqs([of_s3([reference])]), None)) == []


def test_a_database_that_is_away_brings_all_messages_back(
    at_hand: Environment, put: Put, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = put(tile)

    def away(*_: object) -> None:
        raise StoreError("database: away")

    with monkeypatch.context() as patched:
        patched.setattr(at_hand.predictions, "progress", away)
        assert fails_as_a_whole(of_sqs([of_s3([reference])]))
        with pytest.raises(infer.NotFinished, match="away"):
            infer.handler(of_s3([reference]), None)
    assert failed(infer.handler(of_sqs([of_s3([reference])]), None)) == []


def test_a_connection_that_the_database_closed_costs_nothing(
    at_hand: Environment, put: Put, tile: bytes, database_url: str
) -> None:
    infer.handler(of_s3([put(tile)]), None)
    Database(database_url).query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    infer.handler(of_s3([put(tile)]), None)
    assert [row["status"] for row in rows(at_hand).values()] == ["done", "done"]


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
    [row] = at_hand.predictions.list(limit=9)
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
