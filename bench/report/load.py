"""Latency and throughput under steady loads, a burst's course, and where an image's time goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from api.report import Burst, BurstPoint, LoadPoint, Stage
from bench.intervals import Interval, quantile, series_quantile
from bench.report.found import Found, Kept, Load

STAGES = ("accept_ms", "queue_ms", "fetch_ms", "decode_ms", "infer_ms", "record_ms")
BURST_POINTS = 60
RESAMPLES = 500  # of a percentile's interval
# If more was there all the time, what passes is at most so much of what was offered.
FAR_FASTER = 0.8


def load_points(found: Found) -> list[LoadPoint]:
    """Return each lane's steady loads."""
    return [_point(load) for lane in found.lanes for load in found.loads(lane)]


def percentile(load: Load, q: float) -> Interval | None:
    """Return a percentile from due to committed, of all repetitions; None of too few images."""
    rng = np.random.default_rng(1)
    return series_quantile([one.committed_ms for one in load.runs], q, rng, resamples=RESAMPLES)


def sustained(found: Found, lane: str) -> float | None:
    """Return the highest of the steady loads that a lane kept up with, in every repetition.

    Without an error, and with all lower loads kept up with as well.
    """
    highest = None
    for one in found.loads(lane):
        every = len(one.runs) == found.plan["repetitions"]
        if not every or one.errors or not all(_kept_up(kept) for kept in one.runs):
            break
        highest = one.offered_per_s
    return highest


def full_per_s(found: Found, lane: str) -> list[float]:
    """Return what passed when there was always more to do, in images/s, for each repetition."""
    load = found.load(lane, "full")
    rates = [_full_per_s(one) for one in load.runs] if load else []
    return [one for one in rates if one]


def _full_per_s(kept: Kept) -> float | None:
    """Return images by the time from the first due to the last commit, accepting them included.

    None where they were not offered far faster than that: then the schedule is what was measured.
    """
    due = [float(one["scheduled_s"]) for one in kept.lines]
    offered_per_s = len(due) / (max(due) - min(due))
    done_per_s = kept.run.done_per_s
    return done_per_s if done_per_s < FAR_FASTER * offered_per_s else None


def bursts(found: Found) -> list[Burst]:
    """Return each lane's burst: the repetition whose recovery is the median one."""
    told = []
    for lane in found.lanes:
        if load := found.load(lane, "burst"):
            runs = sorted(load.runs, key=_recovered_s)
            told.append(_burst(lane, runs[len(runs) // 2]))
    return told


def recoveries_s(found: Found, lane: str) -> list[float]:
    """Return the time until all of a burst was committed, of the repetitions in which it was."""
    load = found.load(lane, "burst")
    return [_recovered_s(one) for one in load.runs if not one.run.errors] if load else []


def stages(found: Found) -> list[Stage]:
    """Return where an image's time goes, for each lane and load."""
    return [
        Stage.model_validate(
            {
                "lane": lane,
                "offered_per_s": load.offered_per_s,
                "stage": stage.removesuffix("_ms"),
                "p50_ms": _value(load.stage_ms(stage), 0.5),
                "p90_ms": _value(load.stage_ms(stage), 0.9),
            }
        )
        for lane in found.lanes
        for load in found.loads(lane)
        for stage in STAGES
    ]


def _point(load: Load) -> LoadPoint:
    done = [one.run.done_per_s for one in load.runs]
    return LoadPoint.model_validate(
        {
            "lane": load.lane,
            "offered_per_s": load.offered_per_s,
            "done_per_s": round(float(np.mean(done)), 3),
            "p50_ms": _value(load.committed_ms, 0.5),
            "p90_ms": _value(load.committed_ms, 0.9),
            "p99_ms": _value(load.committed_ms, 0.99),
            "images": load.images,
            "errors": load.errors,
        }
    )


def _kept_up(kept: Kept) -> bool:
    return kept.run.done_per_s >= 0.9 * kept.run.offered_per_s


def _burst(lane: str, kept: Kept) -> Burst:
    due = np.sort([float(one["scheduled_s"]) for one in kept.lines])
    done = np.sort([float(one["finished_s"]) for one in kept.done])
    first_s = due[0]
    at_s = np.linspace(0, _recovered_s(kept), BURST_POINTS + 1)
    points = [
        BurstPoint(
            at_s=round(float(at), 3),
            sent=int(np.searchsorted(due - first_s, at, side="right")),
            done=int(np.searchsorted(done - first_s, at, side="right")),
        )
        for at in at_s
    ]
    whole = not kept.run.errors
    return Burst.model_validate(
        {
            "lane": lane,
            "images": len(due),
            "points": points,
            "recovered_s": round(_recovered_s(kept), 3) if whole else None,
        }
    )


def _recovered_s(kept: Kept) -> float:
    first_s = min(float(one["scheduled_s"]) for one in kept.lines)
    return max((float(one["finished_s"]) for one in kept.done), default=first_s) - first_s


def _value(samples: Sequence[float], q: float) -> float | None:
    interval = quantile(samples, q)
    return None if interval is None else round(interval.value, 2)
