"""A worker's figures for Prometheus, on a port of their own.

One process with many threads, so the client library's own counters do.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram, Info, start_http_server

from store.records import NO_PREDICTION, Outcome
from tasks import measures

# From a warm tile on a fast core to an image that came when nobody was there.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)

done = Counter(measures.DONE, "Images classified.")
failed = Counter(measures.FAILED, "Images that cannot be classified, by reason.", ["code"])
unpredicted = Counter(measures.UNPREDICTED, "Images that the model gave no prediction of.")
attempts = Counter(measures.ATTEMPTS, "Times that work on an image was begun and came to an end.")
cold_starts = Counter(measures.COLD_STARTS, "First batches of a process.")
batch = Histogram(measures.BATCH, "Images predicted together.", buckets=IMAGES)
queue = Histogram(measures.QUEUE, "From accepted to begun, an image.", buckets=SECONDS)
stages = {
    name: Histogram(name, f"{name.split('_')[1].capitalize()}, a batch.", buckets=SECONDS)
    for name in measures.STAGES
}
model = Info("skylane_model", "What is served.")
streams = Gauge("skylane_worker_streams", "Batches that this worker has in work at once, at most.")
busy = Gauge("skylane_worker_busy_streams", "Batches that it has in work now.")


def tell(outcomes: Sequence[Outcome | None]) -> None:
    """Count what became of one call of ``classify``."""
    made = [outcome for outcome in outcomes if outcome]
    for one in made:
        if one.error_code:
            failed.labels(one.error_code).inc()
            unpredicted.inc(one.error_code == NO_PREDICTION)
        else:
            done.inc()
        attempts.inc(one.attempts or 1)
        queue.observe((one.queue_ms or 0.0) / 1000)
    for one in measures.batches(made):
        cold_starts.inc(bool(one.cold_start))
        batch.observe(one.batch_size or 0)
        for name, histogram in stages.items():
            histogram.observe(measures.stage_s(one, name))


def serve(host: str, port: int) -> None:
    """Answer Prometheus at ``/metrics`` from now on, on a thread."""
    start_http_server(port, addr=host)
