"""What GET /results and its kin may be asked for. The OpenAPI document is made from these."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from api.schemas import Lane, Status, Strict
from store.listing import BIGINT_MAX, Filters, Position, Sort

MAX_LIMIT = 1000
MAX_IDS = 100


class EventsQuery(Strict):
    """Which predictions to follow."""

    request_id: list[UUID] = Field(min_length=1, max_length=MAX_IDS)


class SeriesQuery(Strict):
    """How far to look back: up to 30 days."""

    minutes: int = Field(60, ge=1, le=30 * 24 * 60)


class ResultsFilter(Strict):
    """Which results."""

    id: int | None = Field(None, ge=1, le=BIGINT_MAX)
    request_id: list[UUID] = Field([], max_length=MAX_IDS, description="any of these")
    label: str | None = Field(None, description="predicted label")
    true_label: str | None = None
    correct: bool | None = Field(
        None, description="whether the predicted label is the true one, where that is known"
    )
    status: Status | None = None
    lane: Lane | None = None
    search: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00]*$",  # PostgreSQL's texts have none
        description="part of the image's name, in upper or lower case",
    )

    def filters(self) -> Filters:
        """Return what each column is to be."""
        return Filters(
            id=self.id,
            request_ids=tuple(map(str, self.request_id)),
            predicted_label=self.label,
            status=self.status,
            lane=self.lane,
            true_label=self.true_label,
            correct=self.correct,
            search=self.search,
        )


class ResultsQuery(ResultsFilter):
    """Which results, and which page of them."""

    limit: int = Field(50, ge=1, le=MAX_LIMIT)
    sort: Sort = Field(
        "-accepted_at", description="a minus is descending; by `confidence`: rows that have one"
    )
    cursor: str | None = Field(
        None, description="`next_cursor` of the page before, with the same `sort`; opaque"
    )

    @field_validator("cursor")
    @classmethod
    def _written_by_us(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and "sort" in info.data:  # else that is what is wrong
            Position.read(text, info.data["sort"])
        return text

    def after(self) -> Position | None:
        """Return where the page begins; None is at the first row."""
        return None if self.cursor is None else Position.read(self.cursor, self.sort)
