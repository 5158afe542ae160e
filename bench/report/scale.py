"""Both lanes by simulation: first what was measured here, then what nobody here could measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from api.report import Interval, Predicted, Simulated
from bench.intervals import needed
from bench.report.found import Found, Load
from bench.report.money import quiet_invocations
from bench.simulation.arrivals import Outcomes, poisson
from bench.simulation.calibration import service_times_of
from bench.simulation.compare import QUANTILES, compare
from bench.simulation.environments import Scaling
from bench.simulation.on_prem import OnPrem, simulate_on_prem
from bench.simulation.runs import read_run
from bench.simulation.serverless import Serverless, simulate_serverless
from bench.simulation.service_times import (
    BadServiceTimes,
    BatchTime,
    ServiceTimes,
)

REPLICATIONS = 5  # of a run that is compared, each with its own draws
SEED = 1


@dataclass(frozen=True)
class Setting:
    """A lane that nobody here has, and what comes to it."""

    about: str
    lane: OnPrem | Serverless
    rate_per_s: float
    seconds: float


# Hosts of eight cores; functions as an account has them by default, and as one that asked AWS for
# more. Images go straight to S3, by forms: an API's rate would be all that is seen. One queue's
# mapping ends at 1,000 calls at once, so 10,000 environments take ten queues.
WIDE = Scaling(limit=10_000)
SETTINGS = (
    Setting("4 hosts of 8 cores", OnPrem(hosts=4, cores=8, streams=8), 1_000, 30),
    Setting("16 hosts of 8 cores", OnPrem(hosts=16, cores=8, streams=8), 10_000, 10),
    Setting("64 hosts of 8 cores", OnPrem(hosts=64, cores=8, streams=8), 100_000, 10),
    Setting(
        "an account's 1,000 environments",
        Serverless(through_api=False, throttle_per_s=None, concurrency=1_000),
        1_000,
        30,
    ),
    Setting(
        "an account's 1,000 environments",
        Serverless(through_api=False, throttle_per_s=None, concurrency=1_000),
        10_000,
        10,
    ),
    Setting(
        "ten queues, and up to 10,000 environments on request",
        Serverless(
            through_api=False, throttle_per_s=None, infer=WIDE, concurrency=10_000, mappings=10
        ),
        100_000,
        10,
    ),
)
# To see that simulating works.
SMALL = (
    Setting("1 host of 2 cores", OnPrem(), 20, 2),
    Setting("dev's 20 environments", Serverless(concurrency=20), 20, 2),
)


def service_times(found: Found) -> ServiceTimes | None:
    """Return what the pieces of both lanes take; None where too little was measured."""
    loads = found.loads("on-prem")
    if not loads:
        return None
    runs = [load.runs[0] for load in _calibrating(loads)]
    try:
        times = service_times_of([one.folder for one in runs], [one.cpu_ms for one in runs])
    except BadServiceTimes:  # of a quick comparison: no two images met, or none was alone
        return None
    quiet = quiet_invocations(found)
    lowest_load = next(iter(found.loads("serverless")), None)
    if lowest_load is None or not quiet["infer"]:
        return times
    quiet_infer = [
        BatchTime(images=int(one["records"]), ms=float(one["duration_ms"]))
        for one in quiet["infer"]
    ]
    return times.model_copy(
        update={
            "api_ms": [float(one["duration_ms"]) for one in quiet["api"]],
            "api_init_ms": _inits_ms(found, "api"),
            "event_ms": _events_ms(lowest_load, quiet_infer),
            # Nearly all of the quiet ones are of one image: of ten they say nothing.
            "infer": found.batches or quiet_infer,
            "infer_init_ms": _inits_ms(found, "infer"),
        }
    )


def predicted(found: Found, times: ServiceTimes) -> list[Predicted]:
    """Return what the simulation says of loads that it was not made of, beside what they were.

    Of the on-prem lane alone: functions share this machine's processors, and those of the
    simulation, like the cloud's, do not.
    """
    loads = found.loads("on-prem")
    calibrating = {one.name for one in _calibrating(loads)}
    cores = loads[0].runs[0].run.machine.cores
    lane = OnPrem(cores=cores, streams=cores)
    told = []
    for load in loads:
        if load.name in calibrating:
            continue
        # Simulated from the start, because what the warm-up left waiting meets what follows; then
        # the warm-up is cut off both.
        runs = [(read_run(kept.folder), kept.run.warm_up_images) for kept in load.runs]
        measured_ms = np.concatenate([run.after(cut).total_ms for run, cut in runs])
        predicted_ms = np.concatenate(
            [
                simulate_on_prem(run.scheduled_s, times, lane, np.random.default_rng(SEED + number))
                .after(cut)
                .total_ms
                for run, cut in runs
                for number in range(REPLICATIONS)
            ]
        )
        told_of = [q for q in QUANTILES if len(measured_ms) >= needed(q)]
        for one in compare(predicted_ms, measured_ms, np.random.default_rng(SEED), told_of):
            measured = Interval(
                value=round(one.measured_ms.value, 2),
                low=round(one.measured_ms.low, 2),
                high=round(one.measured_ms.high, 2),
            )
            told.append(
                Predicted(
                    lane="on-prem",
                    offered_per_s=load.offered_per_s,
                    q=one.q,
                    measured=measured,
                    predicted_ms=round(one.predicted_ms.value, 2),
                )
            )
    return told


def simulated(times: ServiceTimes, settings: Sequence[Setting]) -> list[Simulated]:
    """Return what lanes do that nobody here has."""
    told = []
    measured_images = max((one.images for one in times.infer), default=0)
    for one in settings:
        if isinstance(one.lane, Serverless) and not times.infer:
            continue
        rng = np.random.default_rng(SEED)
        arrivals_s = poisson(one.rate_per_s, one.seconds, rng)
        if isinstance(one.lane, OnPrem):
            outcomes = simulate_on_prem(arrivals_s, times, one.lane, rng)
            largest = one.lane.hosts * one.lane.workers
        else:
            outcomes = simulate_serverless(arrivals_s, times, one.lane, rng)
            largest = int(outcomes.environments["infer"][1].max())
        about = one.about
        if isinstance(one.lane, Serverless) and measured_images < one.lane.batch_messages:
            about += f" (batches of {one.lane.batch_messages} reckoned from {measured_images})"
        told.append(_simulated(replace(one, about=about), outcomes, largest))
    return told


def _simulated(setting: Setting, outcomes: Outcomes, largest: int) -> Simulated:
    p50, p99 = np.quantile(outcomes.total_ms, [0.5, 0.99])
    return Simulated.model_validate(
        {
            "lane": outcomes.lane,
            "setting": setting.about,
            "offered_per_s": setting.rate_per_s,
            "seconds": setting.seconds,
            "p50_ms": round(float(p50), 1),
            "p99_ms": round(float(p99), 1),
            "recovered_s": round(outcomes.recovered_s, 2) if outcomes.done.all() else None,
            "largest": largest,
        }
    )


def _calibrating(loads: list[Load]) -> list[Load]:
    """Return the lowest load, the highest and one between them; the others are predicted."""
    chosen = {0, len(loads) // 2, len(loads) - 1}
    return [loads[number] for number in sorted(chosen)]


def _inits_ms(found: Found, function: str) -> list[float]:
    return [
        float(one["init_ms"])
        for one in found.invocations
        if one["function"] == function and one["cold"] == "True"
    ]


def _events_ms(lowest: Load, infer: list[BatchTime]) -> list[float]:
    """Return the way from a row to its message, of the lowest load.

    A row's queue time ends when the function claims it. What the function did before that, which is
    what its invocation took beyond the stages, is part of ``infer`` already, and is taken off.
    """
    stages = [lowest.stage_ms(name) for name in ("fetch_ms", "decode_ms", "infer_ms", "record_ms")]
    work_ms = sum(float(np.median(one)) for one in stages)
    alone_ms = float(np.median([one.ms for one in infer if one.images == 1] or [work_ms]))
    before_ms = max(0.0, alone_ms - work_ms)
    return [max(0.0, one - before_ms) for one in lowest.stage_ms("queue_ms")]
