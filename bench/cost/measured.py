"""What was measured of both lanes, and what each image takes by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.simulation.service_times import line

MB_PER_GB = 1024  # as Lambda bills memory
MS_PER_S = 1000.0

Samples = list[float]


class BadMeasurement(Exception):
    """A file of measurements cannot be read, or lacks something."""


class Measured(BaseModel):
    """Samples, each list with at least one; those of a list belong to one image, call or run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str = Field(description="where it was measured, in words")
    architecture: Literal["x86_64", "arm64"] = "x86_64"

    infer_memory_mb: int = Field(gt=0)
    infer_ms: Samples = Field(min_length=1, description="each invocation, as it is billed")
    infer_images: list[int] = Field(min_length=1, description="images of each of them")
    infer_batch_ms: Samples = Field(default=[], description="calls of several images, when warm")
    infer_batch_images: list[int] = Field(default=[], description="images of each of them")
    infer_init_ms: Samples = []
    infer_cold_share: float = Field(default=0, ge=0, le=1, description="invocations that start one")

    api_memory_mb: int = Field(gt=0)
    api_ms: Samples = Field(min_length=1, description="each upload's invocation, as it is billed")
    api_images: list[int] = Field(min_length=1, description="images of each of them")
    api_init_ms: Samples = []
    api_cold_share: float = Field(default=0, ge=0, le=1)
    api_read_ms: Samples = Field(default=[], description="each request for a result")
    sweep_ms: Samples = Field(default=[], description="each sweep, one a minute")

    image_bytes: Samples = Field(min_length=1, description="each image")
    answer_bytes: Samples = Field(min_length=1, description="answered for an image, in all")
    log_bytes: Samples = Field(min_length=1, description="logged by the functions for an image")

    on_prem_images_per_s: Samples = Field(min_length=1, description="each run's throughput, full")
    on_prem_vcpus: int = Field(gt=0, description="of the host that this is of")
    database_cpu_ms: Samples = Field(min_length=1, description="PostgreSQL's for an image, by run")

    @model_validator(mode="after")
    def _fits(self) -> Measured:
        for name in ("infer", "api"):
            calls, images = getattr(self, f"{name}_ms"), getattr(self, f"{name}_images")
            if len(calls) != len(images):
                raise ValueError(f"{len(calls)} {name}_ms, but {len(images)} {name}_images")
            if min(images) < 1:
                raise ValueError(f"{name}_images has a call without an image")
            if getattr(self, f"{name}_cold_share") and not getattr(self, f"{name}_init_ms"):
                raise ValueError(f"{name}_cold_share is not 0, but there is no {name}_init_ms")
        if len(self.infer_batch_ms) != len(self.infer_batch_images):
            raise ValueError("infer_batch_ms and infer_batch_images are to be as many")
        if min(self.infer_batch_images, default=1) < 1:
            raise ValueError("infer_batch_images has a call without an image")
        if min(self.on_prem_images_per_s) <= 0:
            raise ValueError("on_prem_images_per_s has a run without images")
        return self


@dataclass(frozen=True)
class Work:
    """What one image takes, as means; and what a host passes."""

    architecture: str
    infer_gb_s: float
    infer_calls: float
    api_gb_s: float
    api_calls: float
    read_gb_s: float  # of each request for a result
    sweep_gb_s: float  # of each sweep
    image_bytes: float
    answer_bytes: float
    log_bytes: float
    host_vcpu_images_per_s: float  # for each vCPU of a host
    database_cpu_s: float


def read_measured(path: Path) -> Measured:
    """Read measurements from a file of JSON.

    Raises:
        BadMeasurement: it cannot be read, or something is missing or wrong; the message says what.
    """
    try:
        return Measured.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadMeasurement(f"{path}: {error}") from error


def work_of(
    measured: Measured,
    rng: np.random.Generator | None = None,
    network_ms: float = 0.0,
    infer_images: float | None = None,
) -> Work:
    """Return what an image takes; by samples drawn anew, with replacement, where there is ``rng``.

    ``network_ms`` is added to each invocation: for stores that were on loopback when it was
    measured and are a network away in truth. ``infer_images`` is how many images a call of infer
    has, where that is not as in ``measured.infer_images``: what it takes is then on a straight line
    through calls of several sizes.
    """

    def mean(samples: Sequence[float]) -> float:
        return float(np.mean(_drawn(np.asarray(samples, dtype=np.float64), rng)))

    def billed(
        ms: Samples, images: list[int], init_ms: Samples, cold_share: float, memory_mb: int
    ) -> tuple[float, float]:
        # By pairs: a call of ten images takes longer than a call of one.
        pairs = _drawn(np.column_stack([_billed_ms(ms, network_ms), images]), rng)
        calls = len(pairs) / pairs[:, 1].sum()
        cold_ms = cold_share * mean(init_ms) if init_ms else 0.0
        call_ms = pairs[:, 0].mean() + cold_ms
        return float(calls * _gb_s(call_ms, memory_mb)), float(calls)

    infer_gb_s, infer_calls = billed(
        measured.infer_ms,
        measured.infer_images,
        measured.infer_init_ms,
        measured.infer_cold_share,
        measured.infer_memory_mb,
    )
    api_gb_s, api_calls = billed(
        measured.api_ms,
        measured.api_images,
        measured.api_init_ms,
        measured.api_cold_share,
        measured.api_memory_mb,
    )
    if infer_images is not None:
        sized = _drawn(_sized_calls(measured, network_ms), rng)
        base_ms, image_ms = line(sized[:, 1], sized[:, 0])
        cold_ms = measured.infer_cold_share * mean(measured.infer_init_ms or [0.0])
        call_ms = base_ms + image_ms * infer_images + cold_ms
        infer_calls = 1 / infer_images
        infer_gb_s = infer_calls * _gb_s(call_ms, measured.infer_memory_mb)
    reads_ms = _billed_ms(measured.api_read_ms, network_ms)
    sweeps_ms = _billed_ms(measured.sweep_ms, network_ms)
    return Work(
        architecture=measured.architecture,
        infer_gb_s=infer_gb_s,
        infer_calls=infer_calls,
        api_gb_s=api_gb_s,
        api_calls=api_calls,
        read_gb_s=_gb_s(mean(list(reads_ms)), measured.api_memory_mb) if len(reads_ms) else 0.0,
        sweep_gb_s=_gb_s(mean(list(sweeps_ms)), measured.infer_memory_mb) if len(sweeps_ms) else 0,
        image_bytes=mean(measured.image_bytes),
        answer_bytes=mean(measured.answer_bytes),
        log_bytes=mean(measured.log_bytes),
        host_vcpu_images_per_s=mean(measured.on_prem_images_per_s) / measured.on_prem_vcpus,
        database_cpu_s=mean(measured.database_cpu_ms) / MS_PER_S,
    )


def _sized_calls(measured: Measured, network_ms: float) -> NDArray[np.float64]:
    """Return the ms and the images of calls of several sizes, or of what calls there are."""
    ms, images = measured.infer_batch_ms, measured.infer_batch_images
    if not ms:
        ms, images = measured.infer_ms, measured.infer_images
    return np.column_stack([_billed_ms(ms, network_ms), images])


def _billed_ms(samples_ms: Samples, network_ms: float) -> NDArray[np.float64]:
    """Return durations as Lambda bills them: each rounded up to a millisecond."""
    return np.ceil(np.asarray(samples_ms, dtype=np.float64) + network_ms)


def _gb_s(ms: float, memory_mb: int) -> float:
    return ms / MS_PER_S * memory_mb / MB_PER_GB


def _drawn(samples: NDArray[np.float64], rng: np.random.Generator | None) -> NDArray[np.float64]:
    return samples if rng is None else samples[rng.integers(0, len(samples), len(samples))]
