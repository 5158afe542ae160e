"""What requests and answers look like. The OpenAPI document is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["pending", "running", "done", "failed"]
Lane = Literal["on-prem", "serverless"]


class Strict(BaseModel):
    """Parameters that nobody has heard of are mistakes, not decoration."""

    model_config = ConfigDict(extra="forbid")


class RequestPath(Strict):
    """The id that an upload was answered with."""

    request_id: UUID


class Error(BaseModel):
    """Why an image failed."""

    code: str
    detail: str


class Resources(BaseModel):
    """Load of the machine that answers."""

    cpu_percent: float
    memory_percent: float
    memory_used_mb: float


class Prediction(BaseModel):
    """One image: who and what, its outcome, and where the time went.

    `prediction_id`, `filename`, `inference_ms`, `infer_latency_ms` and `created_at` are the
    predecessor's names of `id`, `image_name`, `infer_ms` and `accepted_at`. The stages from
    `fetch_ms` to `record_ms` are those of the batch that the image was in, of `batch_size`
    images: each of them waited for all.
    """

    id: int
    prediction_id: int
    request_id: UUID
    image_name: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str | None
    bucket: str | None = Field(None, description="where images are on S3")
    s3_key: str | None = Field(None, description="where images are on S3")
    lane: Lane
    status: Status
    true_label: str | None
    predicted_label: str | None
    confidence: float | None
    probabilities: dict[str, float] | None
    error: Error | None
    attempts: int
    model_version: str | None
    created_at: datetime
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queue_ms: float | None
    fetch_ms: float | None
    decode_ms: float | None
    infer_ms: float | None
    inference_ms: float | None
    infer_latency_ms: float | None
    record_ms: float | None
    latency_ms: float | None = Field(description="from accepted to committed")
    worker: str | None
    batch_size: int | None
    cold_start: bool | None
    cpu_percent: float | None = Field(description="of the worker process, of one core")
    memory_mb: float | None = Field(description="of the worker process")
    resources: Resources | None = Field(None, description="in answers to uploads")


class ProblemDocument(BaseModel):
    """RFC 9457 problem details. `code` is stable; `detail` is for people."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str


class Presign(Strict):
    """What is known of an image before it is sent."""

    filename: str | None = Field(None, max_length=255)
    true_label: str | None = None


class Presigned(BaseModel):
    """A form that stores one image, once its file is added as the last field."""

    request_id: UUID
    key: str
    url: str
    fields: dict[str, str]
    max_bytes: int
    valid_s: int
    result: str = Field(description="where its prediction will be")


class Complete(Strict):
    """Which image was sent."""

    key: str


class BatchItem(BaseModel):
    """One file of a batch: a prediction, or what was wrong with it."""

    model_config = ConfigDict(extra="allow")

    filename: str
    status: Literal["pending", "running", "done", "failed", "rejected"]
    error: Error | None


class BatchOut(BaseModel):
    """The files of a batch, in the order they were sent."""

    count: int
    results: list[BatchItem]


class ResultsOut(BaseModel):
    """A page of results.

    A page may hold fewer than `limit`, even none, and have a `next_cursor`: it looks through so
    many rows at most for what no index has (`search`, `true_label`, `correct`, a second filter).
    """

    count: int
    results: list[Prediction]
    next_cursor: str | None = Field(description="for the next page; null at the end")
    latency_ms: float = Field(description="of this query")


class WorkerOut(BaseModel):
    """A worker that was heard of lately."""

    name: str
    model_version: str
    memory_mb: float


class StatsOut(BaseModel):
    """Figures over all predictions."""

    total_predictions: int = Field(description="images done")
    total: int = Field(description="images accepted")
    label_distribution: dict[str, int]
    status_distribution: dict[str, int]
    lane_distribution: dict[str, int]
    latency_percentiles: dict[str, dict[str, float]] = Field(
        description="p50, p90, p99 by stage in ms, over the latest 1,000 predictions"
    )
    accuracy: float | None = Field(description="where the true label is known")
    confusion_matrix: dict[str, dict[str, int]] = Field(description="{true: {predicted: n}}")
    recent_errors: dict[str, int] = Field(description="by code, of the latest 1,000 failed")
    queue_depth: int | None = Field(description="messages; null where the broker is away")
    max_queued: int = Field(
        description="unfinished images beyond which uploads are refused; 0: none"
    )
    max_queue_age_s: float = Field(description="likewise, how long one may have waited; 0: ever")
    uploads_refused: int = Field(description="as overloaded, by the process that answers")
    workers: list[WorkerOut] = Field(description="live ones; none in the cloud, where AWS has them")
    system_resources: Resources


class Point(BaseModel):
    """What was finished in one lane from `at` on, for `step_s`."""

    at: datetime
    lane: Lane
    done: int
    failed: int
    p50_ms: float | None = Field(description="of latency; within 5 %, as the others")
    p90_ms: float | None
    p99_ms: float | None


class SeriesOut(BaseModel):
    """Throughput and latency over time. Points in which nothing was finished are left out."""

    step_s: int
    points: list[Point]


class AboutOut(BaseModel):
    """What an API is, takes and knows. It stays the same while the API runs."""

    name: str
    version: str
    lane: Lane
    labels: list[str] = Field(description="the model's classes, in the order of its outputs")
    accepted_media_types: list[str]
    max_image_bytes: int
    max_body_bytes: int = Field(description="of a whole request, so of a batch")
    max_batch_files: int
    model_version: str | None = Field(description="as rows have it; null for a checkpoint")
    events: bool = Field(description="whether GET /events tells of changes")
    presigned_uploads: bool = Field(description="whether images can be sent straight to S3")


class Component(BaseModel):
    """One thing that serving depends on."""

    ok: bool
    detail: str


class HealthOut(BaseModel):
    """This process answers."""

    status: Literal["ok"]


class ReadyOut(BaseModel):
    """Whether a request would be served now, and if not, what is missing."""

    ready: bool
    components: dict[str, Component]


def prediction_out(row: dict[str, Any], bucket: str | None) -> dict[str, Any]:
    """Turn a row of ``prediction_results`` into the members of a ``Prediction``."""
    rounded = {
        name: None if row[name] is None else round(float(row[name]), 3)
        for name in ("queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms", "latency_ms")
    }
    times = {
        name: None if row[name] is None else row[name].isoformat()
        for name in ("accepted_at", "started_at", "finished_at")
    }
    error = row["error_code"] and {"code": row["error_code"], "detail": row["error_detail"] or ""}
    return {
        **{name: row[name] for name in Prediction.model_fields if name in row},
        **rounded,
        **times,
        "prediction_id": row["id"],
        "filename": row["image_name"],
        "bucket": bucket,
        "s3_key": row["storage_key"] if bucket else None,
        "error": error or None,
        "created_at": times["accepted_at"],
        "inference_ms": rounded["infer_ms"],
        "infer_latency_ms": rounded["infer_ms"],
    }
