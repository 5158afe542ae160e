"""What is told of the work, by the same names in both lanes: Prometheus and CloudWatch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from store.records import Outcome

DONE, FAILED = "skylane_images_done_total", "skylane_images_failed_total"
ATTEMPTS, COLD_STARTS = "skylane_attempts_total", "skylane_cold_starts_total"
GIVEN_UP = "skylane_images_given_up_total"  # counted as failed by nobody: their workers died
UNPREDICTED = "skylane_images_unpredicted_total"  # of the failed, those that the model failed
REFUSED = "skylane_uploads_refused_total"  # by the on-prem API, as too much waited
BATCH, QUEUE = "skylane_batch_images", "skylane_queue_seconds"
STAGES = {
    "skylane_fetch_seconds": "fetch_ms",
    "skylane_decode_seconds": "decode_ms",
    "skylane_infer_seconds": "infer_ms",
    "skylane_record_seconds": "record_ms",
}
NAMES = {DONE, FAILED, GIVEN_UP, UNPREDICTED, ATTEMPTS, COLD_STARTS, BATCH, QUEUE, *STAGES}


def batches(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """Yield one outcome of each batch: its images share their stages, which are the batch's."""
    seen = set()
    for outcome in outcomes:
        stages = tuple(getattr(outcome, member) for member in STAGES.values())
        if stages not in seen:
            seen.add(stages)
            yield outcome


def stage_s(outcome: Outcome, stage: str) -> float:
    """Return how long a stage of ``STAGES`` took, in seconds."""
    return (getattr(outcome, STAGES[stage]) or 0.0) / 1000
