"""What the simulation is fed with: how long each piece of work takes, as it was measured.

A batch's time depends on how many images are in it, and its samples come from a machine that was
not idle. So times are kept as they would be with a core to themselves (`service_times_of` says
how), and the simulation shares out the cores anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.simulation.runs import Run, read_run

MS_PER_S = 1000.0
# Batches of about one size are drawn from together: 1, 2, 3 and 4, 5 to 8, and so on.
SIZE_BASE = 2.0

Samples = list[float]
Floats = NDArray[np.float64]


class BadServiceTimes(Exception):
    """Service times cannot be read, or not be made of these runs."""


class BatchTime(BaseModel):
    """How long one batch took, from being begun to being committed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int = Field(ge=1)
    ms: float = Field(gt=0)


class ServiceTimes(BaseModel):
    """Samples of each piece of work, with a core to itself, in ms. Lists may not be empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # On-prem.
    accept_ms: Samples = Field(min_length=1, description="from the request's sending to its row")
    hand_over_ms: Samples = Field(min_length=1, description="from the row to the batch's begin")
    worker_ms: float = Field(ge=0, description="of the worker's interpreter for each message")
    other_ms: float = Field(ge=0, description="of a core for each image, of what nobody waits for")
    batches: list[BatchTime] = Field(min_length=1)

    # Serverless; needed for that lane alone.
    api_ms: Samples = []
    api_init_ms: Samples = []
    event_ms: Samples = Field(default=[], description="from the row to the message, by S3 and SQS")
    infer: list[BatchTime] = []
    infer_init_ms: Samples = []


class BatchTimes:
    """Draws how long a batch of so many images takes.

    A straight line through the sizes' medians, times how far a measured batch of about that size
    was from it. Beyond the sizes that were measured the line goes on: a batch never takes less
    than a smaller one.
    """

    def __init__(self, batches: Sequence[BatchTime]) -> None:
        sizes = np.array([one.images for one in batches], dtype=np.float64)
        ms = np.array([one.ms for one in batches], dtype=np.float64)
        self.base_ms, self.image_ms = _line(sizes, ms)
        ratios = ms / self.mean_ms(sizes)
        bins = size_bin(sizes)
        self._ratios = {int(one): ratios[bins == one] for one in np.unique(bins)}
        known = np.array(sorted(self._ratios))
        # A size that was not measured is drawn from the nearest that was.
        self._nearest = {
            one: int(known[np.abs(known - one).argmin()]) for one in range(int(known.max()) + 32)
        }

    def mean_ms(self, images: Floats | float) -> Floats:
        """Return the line's time for batches of so many images."""
        return np.asarray(self.base_ms + self.image_ms * np.asarray(images), dtype=np.float64)

    def draw_s(self, images: int, rng: np.random.Generator) -> float:
        """Return how long one batch takes, in s."""
        ratios = self._ratios[self._nearest[int(size_bin(np.array([images]))[0])]]
        ratio = ratios[rng.integers(len(ratios))]
        return float((self.base_ms + self.image_ms * images) * ratio / MS_PER_S)


def read_service_times(path: Path) -> ServiceTimes:
    """Read service times from a file of JSON.

    Raises:
        BadServiceTimes: it cannot be read, or something is missing or wrong; the message says what.
    """
    try:
        return ServiceTimes.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadServiceTimes(f"{path}: {error}") from error


def service_times_of(paths: Sequence[Path], cpu_ms: Mapping[str, float]) -> ServiceTimes:
    """Make the on-prem lane's service times of runs' ``requests.csv``, the lowest load first.

    ``cpu_ms``: CPU time of each part for an image at the lowest load, in ms, by the names of
    `bench.stack.PARTS`, and ``client`` where that is on the same machine.

    The lowest load says what an image takes that meets no other. Higher loads say what batches
    take, and there they wait for cores as well. By how much is known from the sizes that both
    loads have: by that ratio the higher load's batches are shortened.

    Raises:
        BadServiceTimes: the runs have too little in them, or no size of batch in common.
    """
    runs = [read_run(path) for path in paths]
    if not runs or not all(len(run.done) for run in runs):
        raise BadServiceTimes("each run is to have images that are done")
    lowest = runs[0]
    batches = _batches(lowest)
    for run in runs[1:]:
        more = _batches(run)
        slower = _slower(more, batches)
        batches += [BatchTime(images=one.images, ms=one.ms / slower) for one in more]
    alone = lowest.done[lowest.done["batch_size"] == 1]
    if not len(alone):
        raise BadServiceTimes("the lowest load has no image that was worked on by itself")
    accept_ms = (alone["accepted_s"] - alone["sent_s"]) * MS_PER_S
    # The worker's CPU time beyond its batches is its interpreter's: messages in, out, and events.
    # Until an image is recorded its batch is on a core; recording is PostgreSQL's.
    stages_ms = alone["fetch_ms"] + alone["decode_ms"] + alone["infer_ms"]
    worker_ms = max(0.0, cpu_ms.get("worker", 0.0) - float(np.mean(stages_ms)))
    waited_ms = float(np.mean(accept_ms) + np.mean(alone["queue_ms"] + alone["record_ms"]))
    waited_ms += float(np.mean(stages_ms))
    return ServiceTimes(
        accept_ms=list(np.maximum(0, accept_ms)),
        hand_over_ms=list(alone["queue_ms"]),
        worker_ms=worker_ms,
        other_ms=max(0.0, sum(cpu_ms.values()) - waited_ms),
        batches=batches,
    )


def size_bin(images: Floats) -> NDArray[np.int64]:
    """Return which sizes count as about the same: 1, 2, 3 and 4, 5 to 8, …"""
    logs = np.log(np.maximum(1, images)) / np.log(SIZE_BASE)
    return np.asarray(np.ceil(np.round(logs, 9)), dtype=np.int64)


def _batches(run: Run) -> list[BatchTime]:
    """Return each batch once. The images of a batch have its stages' times, and its worker."""
    done = run.done
    stages = ("fetch_ms", "decode_ms", "infer_ms", "record_ms")
    keys = np.stack([done["worker"].astype(str), *(done[one].astype(str) for one in stages)])
    _, first = np.unique(keys, axis=1, return_index=True)
    one_each = done[first]
    ms = np.sum([one_each[stage] for stage in stages], axis=0)
    return [
        BatchTime(images=max(1, int(images)), ms=float(took))
        for images, took in zip(one_each["batch_size"], ms, strict=True)
    ]


def _slower(batches: list[BatchTime], reference: list[BatchTime]) -> float:
    """Return how much longer these batches took than those of the same sizes in another run."""
    ours, theirs = _medians(batches), _medians(reference)
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        raise BadServiceTimes("two runs have no size of batch in common")
    # The smallest size has most of the reference's batches.
    return max(1.0, ours[common[0]] / theirs[common[0]])


def _medians(batches: list[BatchTime]) -> dict[int, float]:
    bins = size_bin(np.array([one.images for one in batches], dtype=np.float64))
    ms = np.array([one.ms for one in batches])
    return {int(one): float(np.median(ms[bins == one])) for one in np.unique(bins)}


def _line(sizes: Floats, ms: Floats) -> tuple[float, float]:
    """Fit base and slope, both not below 0, to the medians of each size, by their numbers."""
    distinct = np.unique(sizes)
    if len(distinct) == 1:
        return 0.0, float(np.median(ms) / distinct[0])
    medians = np.array([np.median(ms[sizes == one]) for one in distinct])
    numbers = np.array([np.sum(sizes == one) for one in distinct])
    # Relative errors count: a large batch is not to outweigh many small ones.
    weights = np.sqrt(numbers) / medians
    slope, base = np.polyfit(distinct, medians, 1, w=weights)
    if base < 0:
        return 0.0, float(np.sum(numbers * medians / distinct) / np.sum(numbers))
    if slope < 0:
        return float(np.median(ms)), 0.0
    return float(base), float(slope)
