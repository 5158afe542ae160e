"""The one piece of work, the same in both lanes: fetch, decode, predict, record."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

import numpy as np
import psutil

from model.images import ImageError, Pixels, decode, stack
from store.errors import ImageRefused, ImageStoreError, ImageTooLarge, StoreError, Unreadable
from store.images import ImageStore
from store.predictions import Predictions
from store.records import NO_PREDICTION, Begun, Outcome
from store.references import Reference

log = logging.getLogger(__name__)
BYTES_PER_MB = 1e6
# A round of work stays well below the time after which a row counts as left lying
# (SKYLANE_STALE_AFTER_S), however large the images are.
DECODE_ROUND_S = 8.0


class Classifier(Protocol):
    """What this module needs of a model (``model.serving.open_predictor`` gives one)."""

    labels: list[str]
    version: str
    tile_px: int  # side of the tiles that it takes

    def predict(self, pixels: Pixels) -> np.ndarray:
        """(n, tile_px, tile_px, 3) uint8 to (n, labels) probabilities."""


@dataclass
class Workbench:
    """What the work is done with; made once a process and shared by its threads."""

    images: ImageStore
    predictions: Predictions
    predictor: Classifier
    worker: str  # name of this worker, or of this Lambda environment
    stale_after_s: float

    def __post_init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # starts the measurement that the next call ends
        self._batches = count()

    def circumstances(self) -> dict[str, object]:
        """What a row holds of the process that made it. Reads counters, never sleeps."""
        return {
            "worker": self.worker,
            "model_version": self.predictor.version,
            "cold_start": next(self._batches) == 0,
            "cpu_percent": self._process.cpu_percent(),
            "memory_mb": self._process.memory_info().rss / BYTES_PER_MB,
        }


def classify(references: Sequence[Reference], bench: Workbench) -> list[Outcome | None]:
    """Classify stored images as one batch and record what became of each.

    Returns an outcome per reference, in order; ``None`` where there was nothing to do,
    because the work is done already or another worker has it, or where the image store
    does not give the image, which stays ``pending``. A bad image is an outcome with an
    error code, and its neighbours are not touched.

    Raises:
        StoreError: a store failed, the image store for all that it was asked for. What was
            claimed is given back where that is possible, and the lane's own retry applies.
    """
    outcomes: dict[Reference, Outcome] = {}
    todo, in_vain = list(references), False
    while todo:
        before = len(outcomes)
        todo = _round(todo, bench, outcomes, in_vain)
        in_vain = len(outcomes) == before
    return [outcomes.get(reference) for reference in references]


def _round(
    references: list[Reference], bench: Workbench, outcomes: dict[Reference, Outcome], again: bool
) -> list[Reference]:
    """Claim, work and record; return what there was no time for.

    Rows are claimed for as long as decoding may take and not for longer: another worker
    takes over what looks left lying. What cannot be read keeps nothing else waiting; but where
    nothing can be, of all, or in two rounds one after the other, it is the store that is away.
    """
    claimed = bench.predictions.claim(references, bench.worker, bench.stale_after_s)
    if not claimed:
        return []
    try:
        done, unread = _work(claimed, bench)
        away = not done and not any(isinstance(one, ImageRefused) for one in unread.values())
        if away and (again or (len(unread) == len(claimed) and not outcomes)):
            first, error = next(iter(unread.items()))
            log.error("%s stays pending, and %d more: %s", first.key, len(unread) - 1, error)
            raise error
        for reference, error in unread.items():
            log.error("%s stays pending: %s", reference.key, error)
        clock = _Stages()
        bench.predictions.finish(done)
        clock.end("record_ms")
        _tell_of_no_prediction(done, bench.predictor.version)
        record_ms = clock.stages_ms["record_ms"]
        done = [replace(outcome, record_ms=record_ms) for outcome in done]
        outcomes.update({Reference(outcome.key, outcome.version): outcome for outcome in done})
        left = [reference for reference in claimed if reference not in outcomes]
        if left:
            bench.predictions.release(left, bench.worker)
        return [reference for reference in left if reference not in unread]
    except StoreError:
        _give_back(list(claimed), bench)
        raise
    # Any other exception may be an image's doing. It leaves the claim, and so the attempt,
    # where it is: the sweep tries these images alone, and not for ever.


def _work(
    begun: dict[Reference, Begun], bench: Workbench
) -> tuple[list[Outcome], dict[Reference, ImageStoreError]]:
    """Return what became of each for which there was time, and why which could not be read."""
    references = list(begun)
    at_once = bench.images.at_once  # in memory, before they are decoded to 12 kB each
    clock = _Stages()
    decoded: dict[Reference, Pixels | ImageError] = {}
    unread: dict[Reference, ImageStoreError] = {}
    deadline = time.monotonic() + DECODE_ROUND_S
    for start in range(0, len(references), at_once):
        together = references[start : start + at_once]
        fetched = bench.images.get_many(together)
        clock.end("fetch_ms")
        had: dict[Reference, bytes | Unreadable] = {}
        # First, because one that took long to fail is not to be asked for once more when there is
        # no time for more than one of the others.
        for reference, data in zip(together, fetched, strict=True):
            if isinstance(data, ImageStoreError):
                unread[reference] = data
            else:
                had[reference] = data
        for reference, data in had.items():
            decoded[reference] = _decode(data, bench.predictor.tile_px)
            if time.monotonic() > deadline:
                break
        clock.end("decode_ms")
        if time.monotonic() > deadline:
            break
    good = [pixels for pixels in decoded.values() if not isinstance(pixels, ImageError)]
    probabilities = iter(bench.predictor.predict(stack(good)) if good else ())
    clock.end("infer_ms")

    shared = Outcome(
        key="",
        version="",
        batch_size=len(decoded),
        **clock.stages_ms,  # type: ignore[arg-type]
        **bench.circumstances(),  # type: ignore[arg-type]
    )
    outcomes = []
    for reference, one in decoded.items():
        key, version = reference
        outcome = replace(shared, key=key, version=version, **vars(begun[reference]))
        if isinstance(one, ImageError):
            outcome = replace(outcome, error_code=one.code, error_detail=one.detail)
        else:
            outcome = _labelled(outcome, next(probabilities), bench.predictor.labels)
        outcomes.append(outcome)
    return outcomes, unread


def _decode(data: bytes | Unreadable, tile_px: int) -> Pixels | ImageError:
    if isinstance(data, ImageTooLarge):
        return ImageError("image_bytes_too_many", f"The stored image has {data}.")
    if isinstance(data, Unreadable):
        return ImageError("image_missing", "The stored image is gone.")
    try:
        return decode(data, side_px=tile_px)
    except ImageError as error:
        return error


def _labelled(outcome: Outcome, probabilities: np.ndarray, labels: list[str]) -> Outcome:
    if not np.isfinite(probabilities).all():  # which no row takes, nor any reader of JSON
        return replace(
            outcome,
            error_code=NO_PREDICTION,
            error_detail="The model answers this image with what are no probabilities (NaN).",
        )
    best = int(probabilities.argmax())
    return replace(
        outcome,
        predicted_label=labels[best],
        confidence=float(probabilities[best]),
        probabilities=dict(zip(labels, map(float, probabilities), strict=True)),
    )


def _tell_of_no_prediction(done: Sequence[Outcome], model: str) -> None:
    """Log what no image is to blame for: it would be seen nowhere else, for the task succeeds."""
    if keys := [outcome.key for outcome in done if outcome.error_code == NO_PREDICTION]:
        log.error("%s gave no prediction of %d images, as %s", model, len(keys), keys[0])


def _give_back(claimed: list[Reference], bench: Workbench) -> None:
    try:
        bench.predictions.release(claimed, bench.worker)
    except StoreError as error:
        # The error that brought us here is on its way; the sweep finds these rows.
        log.warning("could not give back %d images: %s", len(claimed), error)


class _Stages:
    """Times stages that take turns, in ms, by the monotonic clock."""

    def __init__(self) -> None:
        self.stages_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def end(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages_ms[stage] = self.stages_ms.get(stage, 0.0) + (now - self._last) * 1000
        self._last = now
