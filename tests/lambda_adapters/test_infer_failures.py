"""What goes wrong with one image, one message or one store, and what that does to the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lambda_adapters import infer
from lambda_adapters.environment import Environment
from lambda_adapters.events import EventError
from model.images import Pixels, decode
from settings import Settings
from store.database import Database
from store.errors import ImageRefused, StoreError
from store.references import Reference
from tasks.classify import Workbench, classify
from tests.lambda_adapters.conftest import Put
from tests.lambda_adapters.shapes import of_s3, of_sqs
from tests.lambda_adapters.told import accepted, failed, fails_as_a_whole, rows


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
    assert failed(infer.handler(of_sqs([of_s3([one]) for one in (good, bad)]), None)) == []
    found = rows(at_hand)
    assert found[good.key]["status"] == "done"
    assert found[bad.key]["error_code"] == "truncated_image"


@pytest.mark.parametrize("work_done", [True, False])
def test_what_was_deleted_does_not_come_back_by_an_event_that_comes_late(
    at_hand: Environment, put: Put, tile: bytes, work_done: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    gone, good = put(tile), put(tile)
    batch = of_sqs([of_s3([one]) for one in (gone, good)])
    if work_done:
        infer.handler(batch, None)
        at_hand.predictions.delete(rows(at_hand)[gone.key]["id"])
    at_hand.images.delete(gone)
    assert failed(infer.handler(batch, None)) == []
    assert [row["status"] for row in rows(at_hand).values()] == ["done"]
    assert f"{gone.key} was gone before it had a row" in caplog.text


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
