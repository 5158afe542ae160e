"""GET /report.json: how the lanes compare, as the bench last measured it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from flask import Response, current_app
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field, ValidationError

from api.errors import Problem
from api.schemas import Lane, ProblemDocument
from api.services import services

blueprint = APIBlueprint(
    "report", __name__, abp_tags=[Tag(name="report", description="The lanes compared.")]
)


class Interval(BaseModel):
    """A measured value and the bounds of its confidence interval, where they are known."""

    value: float
    low: float | None = None
    high: float | None = None


class LoadPoint(BaseModel):
    """One lane under one load. A percentile is missing where the sample is too small for it."""

    lane: Lane
    offered_per_s: float = Field(description="images that were sent, by schedule")
    done_per_s: float = Field(description="images that were committed")
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    images: int
    errors: int = Field(description="images refused, failed, lost or wrongly answered")


class BurstPoint(BaseModel):
    """How far a burst is at one moment, counted from its beginning."""

    at_s: float
    sent: int
    done: int


class Burst(BaseModel):
    """A burst of images and its recovery."""

    lane: Lane
    images: int
    points: list[BurstPoint]
    recovered_s: float | None = Field(description="until all of it was committed")


class ColdStart(BaseModel):
    """From nothing to the first prediction."""

    lane: Lane
    backend: str = Field(description="what predicts: openvino-int8, torch-fp32, …")
    memory_mb: int | None = Field(description="of a function; null on-prem")
    starts: int = Field(description="that were measured")
    init_ms: Interval = Field(description="until it can take work")
    first_ms: Interval = Field(description="the first piece of work")
    warm_ms: Interval | None = Field(description="each piece after that")


class Cost(BaseModel):
    """What a million images cost at one load, in USD."""

    lane: Lane
    images_per_s: float
    usd_per_million: Interval


class ColdStartStep(BaseModel):
    """Where a cold start's time goes: medians of one step."""

    backend: str
    memory_mb: int
    step: str = Field(description="process, imports, model, first prediction")
    ms: Interval


class Stage(BaseModel):
    """Where an image's time goes: a stage's median and 90th percentile under one load."""

    lane: Lane
    offered_per_s: float
    stage: str = Field(description="accept, queue, fetch, decode, infer, record")
    p50_ms: float | None
    p90_ms: float | None


class Row(BaseModel):
    """One line of the table that sums both lanes up, in words."""

    what: str
    on_prem: str
    serverless: str
    note: str = ""


class Predicted(BaseModel):
    """A percentile that was measured, and what the simulation says of the same load."""

    lane: Lane
    offered_per_s: float
    q: float
    measured: Interval
    predicted_ms: float


class Simulated(BaseModel):
    """A lane beyond this machine, by discrete-event simulation; nobody has measured this."""

    lane: Lane
    setting: str = Field(description="how large the lane is, in words")
    offered_per_s: float
    seconds: float = Field(description="for how long that is offered")
    p50_ms: float | None
    p99_ms: float | None
    recovered_s: float | None = Field(description="from the first image until all are committed")
    largest: int = Field(description="environments or workers that were at work at once")


class Report(BaseModel):
    """Everything that was compared. A section that was not measured is empty."""

    format: Literal["skylane-report/1"]
    made_at: datetime
    machine: str
    commands: list[str] = Field(description="what measured it, to be run again")
    verdict: str | None
    load: list[LoadPoint]
    bursts: list[Burst]
    cold_starts: list[ColdStart]
    costs: list[Cost]
    break_even_per_s: Interval | None = Field(
        description="above this load, all the time, on-prem is the cheaper lane"
    )
    table: list[Row] = []
    stages: list[Stage] = []
    cold_start_steps: list[ColdStartStep] = []
    predicted: list[Predicted] = []
    simulated: list[Simulated] = []
    assumptions: list[str] = Field([], description="what the verdict and the costs suppose")


@blueprint.get("/report.json", responses={200: Report, 404: ProblemDocument})
def report() -> Response:
    """Get the latest report of the bench."""
    path = services().settings.report_path
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise Problem(404, "no_report", "Nothing has been compared here yet.") from error
    try:
        Report.model_validate_json(text)
    except ValidationError as error:
        current_app.logger.error("%s is no report: %s", path, error)
        raise Problem(500, "bad_report", "The report cannot be read; the log says why.") from error
    return Response(text, content_type="application/json")
