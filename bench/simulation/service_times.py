"""What the simulation is fed with: how long each piece of work takes, as it was measured.

A batch's time depends on how many images are in it, and its samples come from a machine that was
not idle. So times are kept as they would be with a core to themselves, and the simulation shares
out the cores anew; `bench.simulation.calibration` makes them of runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MS_PER_S = 1000.0

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
    api_process_ms: float = Field(ge=0, description="of the API's interpreter for each image")
    worker_ms: float = Field(ge=0, description="of the worker's interpreter for each image")
    other_ms: float = Field(ge=0, description="of a core for each image, of what nobody waits for")
    other_batch_ms: float = Field(default=0, ge=0, description="the same, for each batch")
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
        self.base_ms, self.image_ms = line(sizes, ms)
        ratios = ms / self.mean_ms(sizes)
        bins = np.array([size_bin(one.images) for one in batches])
        self._ratios = {int(one): ratios[bins == one].tolist() for one in np.unique(bins)}
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
        ratios = self._ratios[self._nearest[size_bin(images)]]
        ratio = ratios[rng.integers(len(ratios))]
        return float((self.base_ms + self.image_ms * images) * ratio / MS_PER_S)


class Drawn:
    """Samples drawn anew, some thousand at once, because one at a time is slow."""

    def __init__(self, samples_ms: list[float], rng: np.random.Generator) -> None:
        self._samples_s = np.asarray(samples_ms, dtype=np.float64) / MS_PER_S
        self._rng = rng
        self._drawn: list[float] = []

    def one(self) -> float:
        if not self._drawn:
            self._drawn = self._rng.choice(self._samples_s, 4096).tolist()
        return self._drawn.pop()


def read_service_times(path: Path) -> ServiceTimes:
    """Read service times from a file of JSON.

    Raises:
        BadServiceTimes: it cannot be read, or something is missing or wrong; the message says what.
    """
    try:
        return ServiceTimes.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadServiceTimes(f"{path}: {error}") from error


def size_bin(images: int) -> int:
    """Return which sizes count as about the same: 1, 2, 3 and 4, 5 to 8, …"""
    return (images - 1).bit_length()


def line(sizes: Floats, ms: Floats) -> tuple[float, float]:
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
