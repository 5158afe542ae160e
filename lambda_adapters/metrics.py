"""What CloudWatch is told of the work: lines in the log, in its embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from store.records import NO_PREDICTION, Outcome
from tasks import measures

NAMESPACE = "Skylane"
# The stage is in the function's name, so no two stages' figures are added up.
FUNCTION = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "infer")


def tell(outcomes: Sequence[Outcome | None]) -> None:
    """Write a line with what became of one call of ``classify``; nothing if it did nothing.

    An image's stages are those of its batch, and are told once a batch.
    """
    made = [outcome for outcome in outcomes if outcome]
    if not made:
        return
    metrics = Metrics(namespace=NAMESPACE, service=FUNCTION)
    failed = sum(outcome.error_code is not None for outcome in made)
    metrics.add_metric(measures.DONE, MetricUnit.Count, len(made) - failed)
    metrics.add_metric(measures.FAILED, MetricUnit.Count, failed)
    unpredicted = sum(outcome.error_code == NO_PREDICTION for outcome in made)
    metrics.add_metric(measures.UNPREDICTED, MetricUnit.Count, unpredicted)
    metrics.add_metric(measures.ATTEMPTS, MetricUnit.Count, sum(one.attempts or 1 for one in made))
    metrics.add_metric(measures.COLD_STARTS, MetricUnit.Count, any(one.cold_start for one in made))
    for one in made:
        metrics.add_metric(measures.QUEUE, MetricUnit.Seconds, (one.queue_ms or 0.0) / 1000)
    for one in measures.batches(made):
        metrics.add_metric(measures.BATCH, MetricUnit.Count, one.batch_size or 0)
        for name in measures.STAGES:
            metrics.add_metric(name, MetricUnit.Seconds, measures.stage_s(one, name))
    metrics.flush_metrics()


def tell_given_up(n: int) -> None:
    """Write a line with how many images were given up by a sweep, 0 included."""
    metrics = Metrics(namespace=NAMESPACE, service=FUNCTION)
    metrics.add_metric(measures.GIVEN_UP, MetricUnit.Count, n)
    metrics.flush_metrics()
