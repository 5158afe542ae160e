"""What is tried, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from bench import cold_starts, lane_starts

LANES = ("on-prem", "serverless")
# A load with more than this share of errors, or of which less than that share is done in its time:
# higher ones are not tried any more.
TOO_MANY_ERRORS, KEPT_UP = 0.05, 0.8


@dataclass(frozen=True)
class Plan:
    """What to try, and how often."""

    rates_per_s: tuple[float, ...] = (2, 5, 10, 20, 40, 80, 120)  # single uploads, Poisson
    load_s: float = 25.0  # for each of them
    warm_up_s: float = 5.0  # of that, cut off
    burst_images: int = 200  # within a second; the functions' first, as after a quiet night
    # What passes when there is always more: so many, offered far faster than any lane passes them.
    full_images: int = 1_500
    full_over_s: float = 3.0
    starts: int = lane_starts.STARTS  # cold ones, of each kind and size
    warm: int = lane_starts.WARM  # images after each first one
    batch_samples: int = lane_starts.BATCH_SAMPLES  # of each size of a warm function's events
    function_mb: tuple[int, ...] = lane_starts.MEMORY_MB
    process_mb: tuple[int, ...] = cold_starts.MEMORY_MB
    retries: int = 30  # of a burst's requests that were throttled or not answered
    repetitions: int = 3
    seed: int = 7
    # On this many processors more environments at work would only wait for each other.
    api_concurrency: int = 6
    infer_concurrency: int = 4


# Enough to see that all of it works; too little to say anything by.
QUICK = Plan(
    rates_per_s=(3, 8),
    load_s=8.0,
    warm_up_s=2.0,
    burst_images=30,
    full_images=80,
    full_over_s=0.2,
    repetitions=1,
    api_concurrency=3,
    infer_concurrency=2,
    starts=1,
    function_mb=(1769,),
    process_mb=(3008,),
)
