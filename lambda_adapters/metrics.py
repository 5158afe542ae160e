"""What CloudWatch is told of the work: lines in the log, in its embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from store.predictions import Outcome

NAMESPACE, SERVICE = "Skylane", "infer"
DONE, FAILED = "skylane_images_done_total", "skylane_images_failed_total"
BATCH, COLD_STARTS = "skylane_batch_images", "skylane_cold_starts_total"
STAGES = {
    "skylane_fetch_seconds": "fetch_ms",
    "skylane_decode_seconds": "decode_ms",
    "skylane_infer_seconds": "infer_ms",
}


def tell(outcomes: Sequence[Outcome | None]) -> None:
    """Write a line with what became of one call of ``classify``; nothing if it did nothing.

    An image's stages are those of its batch, and are told once a batch.
    """
    made = [outcome for outcome in outcomes if outcome]
    if not made:
        return
    metrics = Metrics(namespace=NAMESPACE, service=SERVICE)
    failed = sum(outcome.error_code is not None for outcome in made)
    metrics.add_metric(DONE, MetricUnit.Count, len(made) - failed)
    metrics.add_metric(FAILED, MetricUnit.Count, failed)
    metrics.add_metric(COLD_STARTS, MetricUnit.Count, any(one.cold_start for one in made))
    batches = {(one.fetch_ms, one.decode_ms, one.infer_ms): one for one in made}
    for one in batches.values():
        metrics.add_metric(BATCH, MetricUnit.Count, one.batch_size or 0)
        for name, member in STAGES.items():
            metrics.add_metric(name, MetricUnit.Seconds, (getattr(one, member) or 0.0) / 1000)
    metrics.flush_metrics()
