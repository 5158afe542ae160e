"""The one piece of work, on a real database, real files and the served model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.artefact import Artefact
from model.images import Pixels, decode
from model.predictor import Predictor
from settings import Settings
from store.errors import ImageStoreError, StoreError
from store.images import FileImages
from store.predictions import Predictions
from store.references import Reference
from tasks.classify import Workbench, classify

Accept = Callable[..., list[Reference]]


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return Predictor(Artefact.open(Settings().artefact))


@pytest.fixture
def bench(tmp_path: Path, predictions: Predictions, predictor: Predictor) -> Workbench:
    return Workbench(FileImages(tmp_path), predictions, predictor, "tester", 30.0)


@pytest.fixture
def store(bench: Workbench, accept: Accept) -> Callable[[bytes], Reference]:
    """Return a function that stores bytes with a pending row for them."""

    def put(data: bytes) -> Reference:
        [reference] = accept()
        bench.images.put(reference.key, data, "image/jpeg")
        return reference

    return put


def rows(predictions: Predictions) -> dict[str, dict[str, Any]]:
    return {row["storage_key"]: row for row in predictions.newest(100)}


def test_serving_sees_the_very_pixels_of_evaluation(
    bench: Workbench, predictor: Predictor, store: Callable[[bytes], Reference], tiles: list[Path]
) -> None:
    references = [store(path.read_bytes()) for path in tiles]
    served = classify(references, bench)
    pixels = np.stack([decode(path.read_bytes()) for path in tiles])
    evaluated = predictor.predict(pixels)
    for outcome, probabilities in zip(served, evaluated, strict=True):
        assert outcome
        assert outcome.probabilities
        assert list(outcome.probabilities.values()) == [float(one) for one in probabilities]


def test_the_served_model_knows_its_tiles(
    bench: Workbench, store: Callable[[bytes], Reference], tiles: list[Path]
) -> None:
    outcomes = classify([store(path.read_bytes()) for path in tiles], bench)
    right = sum(
        outcome is not None and outcome.predicted_label == path.parent.name
        for outcome, path in zip(outcomes, tiles, strict=True)
    )
    assert right >= 45  # of 50


def test_a_bad_image_fails_alone(
    bench: Workbench,
    predictions: Predictions,
    store: Callable[[bytes], Reference],
    accept: Accept,
    tile: bytes,
) -> None:
    good, bad = store(tile), store(tile[:700])
    [gone] = accept()
    other = store(tile)
    codes = [
        outcome and outcome.error_code for outcome in classify([good, bad, gone, other], bench)
    ]
    assert codes == [None, "truncated_image", "image_missing", None]
    found = rows(predictions)
    assert [found[one.key]["status"] for one in (good, bad, gone, other)] == [
        "done",
        "failed",
        "failed",
        "done",
    ]


def test_a_batch_of_bad_images_needs_no_prediction(
    bench: Workbench, store: Callable[[bytes], Reference]
) -> None:
    [outcome] = classify([store(b"nothing like an image")], bench)
    assert outcome
    assert outcome.error_code == "not_an_image"


def test_a_row_says_where_the_time_went_and_under_which_circumstances(
    bench: Workbench, predictions: Predictions, store: Callable[[bytes], Reference], tile: bytes
) -> None:
    classify([store(tile)], bench)
    classify([store(tile), store(tile)], bench)
    [third, second, first] = predictions.newest(9)
    stages = ("queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms")
    assert all(third[stage] > 0 for stage in stages)
    assert sum(float(third[stage]) for stage in stages) <= float(third["latency_ms"]) + 0.1
    assert (first["cold_start"], second["cold_start"]) == (True, False)
    assert (first["batch_size"], second["batch_size"]) == (1, 2)
    assert first["worker"] == "tester"
    assert first["memory_mb"] > 50
    assert first["model_version"] == bench.predictor.version


def test_delivered_three_times_is_done_once(
    bench: Workbench, predictions: Predictions, store: Callable[[bytes], Reference], tile: bytes
) -> None:
    reference = store(tile)
    [outcome] = classify([reference], bench)
    assert outcome
    before = rows(predictions)
    assert classify([reference, reference], bench) == [None, None]
    assert rows(predictions) == before


def test_the_same_image_twice_in_one_batch_is_done_once(
    bench: Workbench, predictions: Predictions, store: Callable[[bytes], Reference], tile: bytes
) -> None:
    reference = store(tile)
    first, second = classify([reference, reference], bench)
    assert first is second is not None
    assert rows(predictions)[reference.key]["batch_size"] == 1


def test_an_image_that_makes_its_worker_fail_is_tried_alone_and_not_for_ever(
    bench: Workbench, predictions: Predictions, store: Callable[[bytes], Reference], tile: bytes
) -> None:
    class Failing:
        labels, version, tile_px = bench.predictor.labels, "failing", 64

        def predict(self, pixels: Pixels) -> np.ndarray:
            raise RuntimeError("out of luck")

    reference = store(tile)
    failing = replace(bench, predictor=Failing())
    for _ in range(2):
        with pytest.raises(RuntimeError):
            classify([reference], failing)
        swept = predictions.sweep(stale_after_s=0, max_attempts=2)
        assert swept.lost == []
    assert swept.given_up == 1
    assert rows(predictions)[reference.key]["error_code"] == "worker_died"


def test_an_image_to_which_a_model_has_no_answer_fails_alone_and_is_told_of(
    bench: Workbench,
    predictions: Predictions,
    store: Callable[[bytes], Reference],
    tile: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Diverged:
        labels, version, tile_px = bench.predictor.labels, "diverged", 64

        def predict(self, pixels: Pixels) -> np.ndarray:
            answers = bench.predictor.predict(pixels)
            answers[1] = np.nan
            return answers

    references = [store(tile) for _ in range(3)]
    classify(references, replace(bench, predictor=Diverged()))
    found = rows(predictions)
    assert [found[one.key]["status"] for one in references] == ["done", "failed", "done"]
    assert found[references[1].key]["error_code"] == "no_prediction"
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"diverged gave no prediction of 1 images, as {references[1].key}"
    ]


def test_images_that_take_long_are_recorded_in_rounds(
    bench: Workbench,
    predictions: Predictions,
    store: Callable[[bytes], Reference],
    tile: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.classify.DECODE_ROUND_S", -1.0)  # over after the first image
    outcomes = classify([store(tile) for _ in range(4)], bench)
    assert [outcome and outcome.batch_size for outcome in outcomes] == [1, 1, 1, 1]
    assert {row["status"] for row in rows(predictions).values()} == {"done"}


def test_when_the_image_store_fails_the_work_is_given_back(
    bench: Workbench, predictions: Predictions, store: Callable[[bytes], Reference], tile: bytes
) -> None:
    reference = store(tile)
    unreadable(bench, reference)
    with pytest.raises(StoreError):
        classify([reference], bench)
    row = rows(predictions)[reference.key]
    assert (row["status"], row["attempts"]) == ("pending", 0)


def unreadable(bench: Workbench, reference: Reference) -> None:
    """Have the system read a folder in its place: that is an error, and no missing file."""
    path = bench.images.path(reference.key)  # type: ignore[attr-defined]
    path.unlink()
    path.mkdir()


def test_an_image_that_cannot_be_read_keeps_no_other_waiting(
    bench: Workbench,
    predictions: Predictions,
    store: Callable[[bytes], Reference],
    tile: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    references = [store(tile) for _ in range(5)]
    unreadable(bench, references[2])
    outcomes = classify(references, bench)
    assert [outcome is not None for outcome in outcomes] == [True, True, False, True, True]
    row = rows(predictions)[references[2].key]
    assert (row["status"], row["attempts"]) == ("pending", 0)
    assert f"{references[2].key} stays pending: image store: " in caplog.text
    with pytest.raises(StoreError):  # alone it may be the store, which comes back
        classify(references, bench)
    assert f"{references[2].key} stays pending, and 0 more: image store: " in caplog.text


@pytest.mark.parametrize("at_once", [1, 16])
def test_images_that_take_long_to_fail_are_asked_for_once_and_keep_no_other_waiting(
    bench: Workbench,
    store: Callable[[bytes], Reference],
    tile: bytes,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    good, bad = [store(tile) for _ in range(3)], store(tile)
    get, asked = bench.images.get, []

    def failing(reference: Reference) -> bytes:
        asked.append(reference)
        if reference == bad:
            raise ImageStoreError("image store: timed out")
        return get(reference)

    monkeypatch.setattr(bench.images, "at_once", at_once)
    monkeypatch.setattr(bench.images, "get", failing)
    monkeypatch.setattr("tasks.classify.DECODE_ROUND_S", -1.0)  # over after what came first
    first, *others = classify([bad, *good], bench)
    assert first is None
    assert None not in others
    assert asked.count(bad) == 1


def test_a_store_that_takes_long_to_fail_is_asked_twice_and_not_for_each_image(
    bench: Workbench,
    predictions: Predictions,
    store: Callable[[bytes], Reference],
    tile: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    references, asked = [store(tile) for _ in range(5)], []

    def failing(reference: Reference) -> bytes:
        asked.append(reference)
        raise ImageStoreError("image store: timed out")

    monkeypatch.setattr(bench.images, "get", failing)
    monkeypatch.setattr("tasks.classify.DECODE_ROUND_S", -1.0)
    with pytest.raises(StoreError, match="timed out"):
        classify(references, bench)
    assert len(asked) == 2
    assert {row["status"] for row in rows(predictions).values()} == {"pending"}
