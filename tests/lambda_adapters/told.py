"""What is asked of the handler's answers and of the table after them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from lambda_adapters import infer
from lambda_adapters.environment import Environment
from store.records import NewPrediction
from store.references import Reference


def rows(at_hand: Environment) -> dict[str, dict[str, Any]]:
    return {row["storage_key"]: row for row in at_hand.predictions.newest(100)}


def failed(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def fails_as_a_whole(batch: dict[str, Any]) -> bool:
    """Whether all of a batch comes again, which is an error of the function."""
    try:
        infer.handler(batch, None)
    except BatchProcessingError:
        return True
    return False


def accepted(reference: Reference, request_id: UUID) -> NewPrediction:
    return NewPrediction(
        request_id=request_id,
        lane="serverless",
        image_name="forest.jpg",
        content_type="image/jpeg",
        size_bytes=1,
        sha256="ab" * 32,
        reference=reference,
        true_label="Forest",
    )
