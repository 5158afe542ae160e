"""Both lanes in words: the table that the predecessor had, filled in, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from api.report import ColdStart, Interval, Row, Simulated
from bench.cost.break_even import LIMIT_PER_S
from bench.intervals import needed
from bench.report import load as loads
from bench.report import starts
from bench.report.found import Found
from bench.report.money import Money

ONE_PER_S = 1.0  # image, all the time: the load whose cost the table has
NOT_MEASURED = "not measured"
INFER_MB = 3008


@dataclass(frozen=True)
class Sides:
    """One figure of each lane, in words."""

    on_prem: str = NOT_MEASURED
    serverless: str = NOT_MEASURED


def table(found: Found, money: Money | None, simulated: Sequence[Simulated]) -> list[Row]:
    """Return the lines of the table."""
    return [
        _row("Cold start, until work can be taken", _cold(found), "median of fresh processes"),
        _row("Warm latency, from due to committed", _warm(found), "p50, p99 at the lowest load"),
        _row("Highest load that was kept up with", _kept_up(found), "single uploads, no error"),
        _row("Throughput when there is always more", _full(found), "single uploads, client beside"),
        _row("Burst, until all is committed", _burst(found), _burst_note(found)),
        _row("Beyond this machine, by simulation", _scale(simulated), _scale_note(simulated)),
        _row("Cost of a million images", _cost(money), "at 1 image/s, all the time"),
    ]


def verdict(found: Found, money: Money | None) -> str:
    """Say in plain words which lane is for whom. Every figure in it was measured or reckoned."""
    sentences = [*_cost_sentences(money), *_latency_sentences(found), *_burst_sentences(found)]
    if not sentences:
        return "Too little was measured to say which lane is the better one."
    return " ".join(sentences)


def assumptions(found: Found, money: Money | None) -> list[str]:
    """Return what the verdict and the bills suppose, in sentences."""
    runs = found.runs
    one = runs[0].machine
    told = [
        f"Both lanes ran on one machine with their client, databases and stores: {one.processor},"
        f" {one.cores} processors. Ratios hold better than figures.",
        "The serverless lane is real handlers under AWS's runtime client in environments of this"
        " machine. An image's download, the microVM, the VPC, API Gateway's and SQS's own time, and"
        " the distance to S3 and RDS are left out: AWS adds to every figure of this lane.",
        f"Its environments share {one.cores} processors, where in the cloud each has its own: what"
        " it passes here says nothing of what it passes there. The simulation does.",
        "Percentiles are of all images that were done, in all repetitions together, from when each"
        " was due. Their intervals draw stretches of each run anew, since images that follow one"
        " another are alike; what differs from day to day is not in them.",
    ]
    told += [f"A function did not start: {why}." for why in starts.failures(found)]
    without = found.plan.get("without", [])
    assert isinstance(without, list)
    told += without
    late = sorted({run.generator.bottleneck for run in runs if run.generator.bottleneck})
    if late:
        number = sum(bool(run.generator.bottleneck) for run in runs)
        told.append(
            f"In {number} of {len(runs)} runs the sender itself was late or busy, so that their"
            f" latencies are partly its own; the worst: {late[-1]}."
        )
    if money:
        told += money.warnings()
        told += [f"{name} = {value}: {about}." for name, value, about in money.assumed.told()]
        if any(not line.checked for bill, _ in money.bills for line in bill.lines):
            told.append("Some prices are from memory and unchecked: bench/cost/prices marks them.")
    return told


def _row(what: str, sides: Sides, note: str) -> Row:
    return Row(what=what, on_prem=sides.on_prem, serverless=sides.serverless, note=note)


def _cold(found: Found) -> Sides:
    by_lane: dict[str, list[ColdStart]] = {}
    for one in starts.cold_starts(found):
        by_lane.setdefault(one.lane, []).append(one)
    functions = by_lane.get("serverless", [])
    nearest = min(functions, key=lambda one: abs((one.memory_mb or 0) - INFER_MB), default=None)
    worker = next(iter(by_lane.get("on-prem", [])), None)
    return Sides(
        f"{_seconds(worker.init_ms)}, once" if worker else NOT_MEASURED,
        f"{_seconds(nearest.init_ms)} with {nearest.memory_mb} MB" if nearest else NOT_MEASURED,
    )


def _warm(found: Found) -> Sides:
    return _sides(found, _warm_of)


def _warm_of(found: Found, lane: str) -> str | None:
    lowest = next(iter(found.loads(lane)), None)
    if lowest is None or (p50 := loads.percentile(lowest, 0.5)) is None:
        return None
    p99 = loads.percentile(lowest, 0.99)
    tail = f"{p99.value:.0f} ms" if p99 else f"p99 needs {needed(0.99)} images"
    return f"{p50.value:.0f} ms ({p50.low:.0f}–{p50.high:.0f}), {tail}"


def _kept_up(found: Found) -> Sides:
    def of(found: Found, lane: str) -> str | None:
        highest = loads.sustained(found, lane)
        if highest is not None:
            return f"{highest:g} images/s"
        lowest = next(iter(found.loads(lane)), None)
        return f"less than {lowest.offered_per_s:g} images/s" if lowest else None

    return _sides(found, of)


def _full(found: Found) -> Sides:
    def of(found: Found, lane: str) -> str | None:
        each = loads.full_per_s(found, lane)
        return f"{np.median(each):.0f} images/s ({_range(each)})" if each else None

    return _sides(found, of)


def _burst(found: Found) -> Sides:
    def of(found: Found, lane: str) -> str | None:
        each = loads.recoveries_s(found, lane)
        if not each:
            return None
        load = found.load(lane, "burst")
        open_ones = len(load.runs) - len(each) if load else 0
        left = f", and not all in {open_ones} more" if open_ones else ""
        return f"{np.median(each):.1f} s ({_range(each, 1)}{left})"

    return _sides(found, of)


def _burst_note(found: Found) -> str:
    burst = next((found.load(lane, "burst") for lane in found.lanes), None)
    if burst is None:
        return ""
    return f"{burst.runs[0].run.images} images within a second; functions from nothing"


def _scale(simulated: Sequence[Simulated]) -> Sides:
    def of(lane: str) -> str:
        own = [one for one in simulated if one.lane == lane]
        largest = max(own, key=lambda one: one.offered_per_s, default=None)
        if largest is None or largest.recovered_s is None:
            return NOT_MEASURED
        return f"{largest.setting}: done after {largest.recovered_s:.0f} s"

    return Sides(of("on-prem"), of("serverless"))


def _scale_note(simulated: Sequence[Simulated]) -> str:
    largest = max(simulated, key=lambda one: one.offered_per_s, default=None)
    if largest is None:
        return ""
    return f"{largest.offered_per_s:,.0f} images/s for {largest.seconds:g} s"


def _cost(money: Money | None) -> Sides:
    if money is None:
        return Sides()

    def of(lane: str) -> str:
        for bill, known in money.bills:
            if bill.lane == lane and bill.images_per_s == ONE_PER_S:
                return f"{known.value:.2f} USD ({known.low:.2f}–{known.high:.2f})"
        return NOT_MEASURED

    return Sides(of("on-prem"), of("serverless"))


def _cost_sentences(money: Money | None) -> list[str]:
    if money is None:
        return []
    limit = f"{LIMIT_PER_S:,.0f} images a second"
    if (even := money.even.interval) is None:
        return [
            f"The on-prem lane is the cheaper one at some loads, but not at {limit}."
            if money.even.ever
            else f"Up to {limit} the serverless lane is the cheaper one at any load."
        ]
    if even.value == 0:
        return ["The on-prem lane is the cheaper one at any load."]
    high = "no bound" if math.isinf(even.high) else f"{even.high:.2g}"
    return [
        f"From {even.value:.2g} images a second on, day and night (95 %: {even.low:.2g} to {high}),"
        " hosts that stand by are the cheaper lane; below,"
        + (" functions are." if money.even.single else " it depends on the load which one is.")
    ]


def _latency_sentences(found: Found) -> list[str]:
    lowest = {lane: next(iter(found.loads(lane)), None) for lane in found.lanes}
    p50s = {
        lane: known.value
        for lane, one in lowest.items()
        if one and (known := loads.percentile(one, 0.5))
    }
    if len(p50s) < 2:
        return []
    faster, slower = sorted(p50s, key=lambda lane: p50s[lane])
    return [
        f"Warm and without load the {faster} lane is {p50s[slower] / p50s[faster]:.1f} times as"
        " fast, before what AWS's network adds to the serverless one."
    ]


def _burst_sentences(found: Found) -> list[str]:
    recovered = {lane: loads.recoveries_s(found, lane) for lane in found.lanes}
    if not all(recovered.get(lane) for lane in ("on-prem", "serverless")):
        return []
    if any(load.errors for lane in found.lanes if (load := found.load(lane, "burst"))):
        return []
    ours, theirs = (float(np.median(recovered[lane])) for lane in ("on-prem", "serverless"))
    return [
        f"After a quiet night a burst is done in {ours:.1f} s by workers that stand by, and in"
        f" {theirs:.1f} s by functions that have to start on these processors."
    ]


def _sides(found: Found, of: Callable[[Found, str], str | None]) -> Sides:
    told = {lane: of(found, lane) or NOT_MEASURED for lane in found.lanes}
    return Sides(told.get("on-prem", NOT_MEASURED), told.get("serverless", NOT_MEASURED))


def _seconds(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.value / 1000:.2f} s"
    return f"{interval.value / 1000:.2f} s ({interval.low / 1000:.2f}–{interval.high / 1000:.2f})"


def _range(each: Sequence[float], digits: int = 0) -> str:
    return f"{min(each):.{digits}f}–{max(each):.{digits}f} in {len(each)} runs"
