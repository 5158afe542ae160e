"""One run of a scenario against a target, as it is kept: everything that a report needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.load.scenario import Scenario

FORMAT: Literal["skylane-run/1"] = "skylane-run/1"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Percentile(_Kept):
    """A percentile with its 95 % interval, or why there is none. In the unit of its samples."""

    q: float
    value: float | None
    low: float | None
    high: float | None
    why_not: str | None = Field(None, description="why it is not told")


class Latency(_Kept):
    """What a number of images took, in ms."""

    samples: int
    mean: float | None
    worst: float | None
    percentiles: list[Percentile]


class Generator(_Kept):
    """How well the load was made. If it was the bottleneck the latencies are partly its own."""

    late_p99_ms: float = Field(description="from when a request was due until it was begun")
    held_up_p99_ms: float = Field(description="by which the event loop slept longer than asked")
    cpu_share: float = Field(description="of one core")
    bottleneck: str | None = Field(description="in words; null: it was not")


class Machine(_Kept):
    """Where the load was made, and on this machine often all the rest."""

    cores: int
    processor: str
    memory_gib: float
    system: str
    python: str
    load_before: float = Field(description="the load average of the minute before")
    commit: str | None = Field(description="of this repository, with + where files were changed")


class Run(_Kept):
    """One run, without its images: those are in ``requests.csv`` beside it."""

    format: Literal["skylane-run/1"]
    began_at: datetime
    scenario: Scenario
    lane: str = Field(description="what the target says that it is")
    label: str = Field(description="what whoever ran it calls this target")
    url: str
    about: dict[str, Any] = Field(description="what the target says of itself")
    machine: Machine
    seconds: float = Field(description="from the first due after the warm-up to the last commit")
    images: int = Field(description="that were sent, all of them")
    warm_up_images: int = Field(description="of these, whose latencies are left out")
    attempts: int = Field(description="to send each image, in all")
    offered_per_s: float = Field(description="images by schedule, after the warm-up")
    done_per_s: float = Field(description="images done, from the first due to the last commit")
    outcomes: dict[str, int] = Field(description="of all images")
    answers_checked: bool = Field(
        description="against what the target says of each image alone; else nothing is `wrong`"
    )
    codes: dict[str, int] = Field(description="of the errors")
    committed: Latency = Field(description="from due to committed, of those done")
    answered: Latency = Field(description="from due to answered, accepted ones")
    accepted_to_committed: Latency = Field(description="both by the database's clock")
    stages: dict[str, Latency]
    cold_starts: int = Field(description="images that were in the first batch of a process")
    histogram: str = Field(
        description="of `committed` in µs: HdrHistogram's V2 encoding, three digits; to be merged"
    )
    generator: Generator
    clock_within_ms: float | None = Field(
        description="how far the database's clock, and so `committed`, may be off"
    )

    @property
    def errors(self) -> int:
        """Images that are anything but done."""
        return self.images - self.outcomes.get("done", 0)
