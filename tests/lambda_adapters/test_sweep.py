"""What neither S3 nor SQS tells again is found in the table, and worked on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambda_adapters import sweep
from lambda_adapters.environment import Environment
from model.images import Pixels, decode
from settings import Settings
from store.errors import ImageNotFound, ImageRefused, ImageStoreError, StoreError
from store.references import Reference
from tasks.adoption import adopt
from tests.lambda_adapters.conftest import Put


def accepted(at_hand: Environment, references: list[Reference]) -> None:
    """Give objects their rows, as if long ago."""
    labels = at_hand.bench.predictor.labels
    adopt(
        references,
        predictions=at_hand.predictions,
        images=at_hand.images,
        labels=labels,
        lane="serverless",
    )
    grown_old(at_hand)


def grown_old(at_hand: Environment) -> None:
    at_hand.database.query(
        "UPDATE predictions SET enqueued_at = enqueued_at - interval '1 hour',"
        " started_at = started_at - interval '1 hour'"
    )


def statuses(at_hand: Environment) -> dict[str, tuple[str, str | None]]:
    rows = at_hand.predictions.newest(100)
    return {row["storage_key"]: (row["status"], row["error_code"]) for row in rows}


def test_an_image_whose_event_was_lost_is_classified(
    at_hand: Environment, put: Put, tiles: list[Path]
) -> None:
    references = [put(path.read_bytes()) for path in tiles[:5]]
    accepted(at_hand, references)
    assert sweep.handler({}, None) == {"touched": 5}
    assert set(statuses(at_hand).values()) == {("done", None)}
    assert sweep.handler({}, None) == {"touched": 0}


def test_counts_that_cannot_be_added_up_keep_no_image_waiting(
    at_hand: Environment, put: Put, tile: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    accepted(at_hand, [put(tile)])
    at_hand.database.query("ALTER TABLE prediction_series RENAME TO gone")
    assert sweep.handler({}, None) == {"touched": 1}
    assert set(statuses(at_hand).values()) == {("done", None)}
    assert "counts could not be added up" in caplog.text
    at_hand.database.query("ALTER TABLE gone RENAME TO prediction_series")
    sweep.handler({}, None)
    assert at_hand.database.query("SELECT rows FROM prediction_series") == [{"rows": 1}]


def test_an_image_in_work_is_left_alone(at_hand: Environment, put: Put, tile: bytes) -> None:
    reference = put(tile)
    accepted(at_hand, [reference])
    at_hand.predictions.claim([reference], "another", 30.0)
    assert sweep.handler({}, None) == {"touched": 0}


def test_an_image_that_breaks_its_worker_is_given_up_and_its_neighbours_are_not(
    at_hand: Environment, put: Put, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    references = [put(path.read_bytes()) for path in tiles[:3]]
    accepted(at_hand, references)
    predict = at_hand.bench.predictor.predict
    poison = decode(tiles[1].read_bytes())

    def breaking(pixels: Pixels) -> Any:
        if any((one == poison).all() for one in pixels):
            raise RuntimeError("a broken kernel")
        return predict(pixels)

    monkeypatch.setattr(at_hand.bench.predictor, "predict", breaking)
    for _ in range(Settings().max_attempts + 1):
        sweep.handler({}, None)
        grown_old(at_hand)
    found = statuses(at_hand)
    assert [found[one.key] for one in references] == [
        ("done", None),
        ("failed", "worker_died"),
        ("done", None),
    ]


def test_a_store_that_is_away_ends_the_sweep_and_loses_nothing(
    at_hand: Environment, put: Put, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(at_hand, [put(tile)])

    def away(*_: object) -> None:
        raise StoreError("image store: away")

    with monkeypatch.context() as patched:
        patched.setattr(at_hand.images, "get_many", away)
        with pytest.raises(StoreError):
            sweep.handler({}, None)
    grown_old(at_hand)
    assert sweep.handler({}, None) == {"touched": 1}
    assert set(statuses(at_hand).values()) == {("done", None)}


def test_images_that_cannot_be_read_keep_none_behind_them_waiting(
    at_hand: Environment, put: Put, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    *bad, good = [put(tile) for _ in range(3)]
    accepted(at_hand, [*bad, good])
    # Each of them alone, and the good one last.
    at_hand.database.query(
        "UPDATE predictions SET attempts = CASE storage_key WHEN %s THEN 2 ELSE 1 END", (good.key,)
    )
    get, asked = at_hand.images.get, []

    def failing(reference: Reference) -> bytes:
        asked.append(reference)
        if reference in bad:
            raise ImageStoreError("image store: timed out")
        return get(reference)

    monkeypatch.setattr(at_hand.images, "get", failing)
    with pytest.raises(StoreError, match="timed out"):  # which has an alarm
        sweep.handler({}, None)
    found = statuses(at_hand)
    assert [found[one.key][0] for one in (*bad, good)] == ["pending", "pending", "done"]
    # With none behind them it is the store that is away, and not asked for ever.
    monkeypatch.setattr(sweep, "MOST_IN_VAIN", 1)
    asked.clear()
    grown_old(at_hand)
    with pytest.raises(StoreError, match="timed out"):
        sweep.handler({}, None)
    assert len(asked) == 1


def test_an_image_that_s3_refuses_keeps_no_other_waiting(
    at_hand: Environment, put: Put, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    references = [put(path.read_bytes()) for path in tiles[:4]]
    accepted(at_hand, references)
    at_hand.predictions.claim(references[3:], "dead", 30.0)
    grown_old(at_hand)
    get = at_hand.images.get

    def forbidding(reference: Reference) -> bytes:
        if reference == references[0]:
            raise ImageRefused("image store: 403 Forbidden")
        return get(reference)

    with monkeypatch.context() as patched:
        patched.setattr(at_hand.images, "get", forbidding)
        for _ in range(Settings().max_attempts + 1):
            sweep.handler({}, None)
            grown_old(at_hand)
    found = statuses(at_hand)
    assert [found[one.key][0] for one in references] == ["pending", "done", "done", "done"]
    sweep.handler({}, None)  # and it is not given up: who mends the access finds it done
    assert statuses(at_hand)[references[0].key] == ("done", None)


def test_what_is_old_goes_with_its_image(
    at_hand: Environment, put: Put, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, young = (put(path.read_bytes()) for path in tiles[:2])
    accepted(at_hand, [old, young])
    sweep.handler({}, None)
    at_hand.database.query(
        "UPDATE predictions SET accepted_at = accepted_at - interval '2 days'"
        " WHERE storage_key = %s",
        (old.key,),
    )
    monkeypatch.setattr(sweep, "settings", lambda: Settings(retention_days=1))
    sweep.handler({}, None)
    assert statuses(at_hand).keys() == {young.key}
    with pytest.raises(ImageNotFound):
        at_hand.images.get(old)
