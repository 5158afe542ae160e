"""What was measured, as the bills want it, and the bills."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from api.report import Cost, Interval
from bench.cost.assumptions import Assumptions
from bench.cost.bill import Bill
from bench.cost.break_even import BreakEven
from bench.cost.measured import Measured
from bench.cost.months import Prices, all_prices
from bench.cost.reckoning import reckon
from bench.intervals import RESAMPLES
from bench.intervals import Interval as Known
from bench.lambda_lane.limits import LaneLimits
from bench.load.images import images_of
from bench.load.scenario import TILES
from bench.report.found import Found, Line
from bench.report.load import full_per_s

LOADS_PER_S = (0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


@dataclass(frozen=True)
class Money:
    """What both lanes cost, and from which load on on-prem is the cheaper one."""

    measured: Measured
    assumed: Assumptions
    prices: Prices
    bills: list[tuple[Bill, Known]]
    even: BreakEven

    def costs(self) -> list[Cost]:
        """Return the costs as a report has them."""
        return [
            Cost.model_validate(
                {
                    "lane": bill.lane,
                    "images_per_s": bill.images_per_s,
                    "usd_per_million": _told(known),
                }
            )
            for bill, known in self.bills
        ]

    def break_even_per_s(self) -> Interval | None:
        """Return the break-even as a report has it."""
        return _told(self.even.interval) if self.even.interval else None

    def warnings(self) -> list[str]:
        """Return what the bills are not to be trusted in, in sentences."""
        told = {
            (bill.lane, text): bill.images_per_s for bill, _ in self.bills for text in bill.warnings
        }
        return [
            f"The {lane} bill, at {load:g} images/s: {why}." for (lane, why), load in told.items()
        ]


def money(found: Found, assumed: Assumptions, resamples: int = RESAMPLES) -> Money | None:
    """Reckon both lanes' bills; None where one of them was not measured."""
    if (measured := measurements(found)) is None:
        return None
    prices = all_prices()
    reckoned = reckon(measured, assumed, prices, LOADS_PER_S, resamples)
    return Money(measured, assumed, prices, reckoned.costs, reckoned.even)


def measurements(found: Found) -> Measured | None:
    """Return what the bills are made of.

    Durations of functions are of the quiet beginning of each repetition: under load environments
    wait for this machine's two processors, which in the cloud they do not. Starts are not reckoned
    with: at a load that goes on all the time they are few.
    """
    limits = LaneLimits()
    quiet = quiet_invocations(found)
    full = full_per_s(found, "on-prem")
    if not quiet["infer"] or not quiet["api"] or not full:
        return None
    load = found.load("on-prem", "full")
    assert load
    machine = load.runs[0].run.machine
    return Measured(
        machine=f"{machine.processor}, {machine.cores} processors",
        infer_memory_mb=limits.infer_memory_mb,
        infer_ms=[float(one["duration_ms"]) for one in quiet["infer"]],
        infer_images=[int(one["records"]) for one in quiet["infer"]],
        infer_batch_ms=[one.ms for one in found.batches],
        infer_batch_images=[one.images for one in found.batches],
        api_memory_mb=limits.api_memory_mb,
        api_ms=[float(one["duration_ms"]) for one in quiet["api"]],
        api_images=[1] * len(quiet["api"]),
        api_read_ms=[float(one["billed_ms"]) for one in found.reads],
        sweep_ms=[float(one["duration_ms"]) for one in quiet["sweep"]],
        image_bytes=[float(len(one.data)) for one in images_of(TILES, np.random.default_rng(0))],
        answer_bytes=[float(one["answer_bytes"]) for one in found.reads],
        log_bytes=[float(one["log_bytes"]) / float(one["images"]) for one in found.lane_lines],
        on_prem_images_per_s=full,
        on_prem_vcpus=machine.cores,
        database_cpu_ms=[one.cpu_ms["postgres"] for one in load.runs],
    )


def quiet_invocations(found: Found) -> dict[str, list[Line]]:
    """Return warm invocations of each repetition's quiet beginning, by function.

    That is when each image was asked about alone, and the lowest load.
    """
    quiet: dict[str, list[Line]] = defaultdict(list)
    lowest = next(iter(found.loads("serverless")), None)
    if lowest is None:
        return quiet
    alone = len(images_of(TILES, np.random.default_rng(0)))
    for repetition, kept in enumerate(lowest.runs):
        own = [one for one in found.invocations if one["repetition"] == str(repetition)]
        first = alone + kept.run.images
        for function in ("api", "infer"):
            these = [one for one in own if one["function"] == function][:first]
            quiet[function] += [
                one for one in these if one["cold"] == "False" and one["outcome"] == "ok"
            ]
        quiet["sweep"] += [
            one for one in own if one["function"] == "sweep" and one["cold"] == "False"
        ]
    return quiet


def _told(known: Known) -> Interval:
    return Interval(
        value=_finite(known.value) or 0.0, low=_finite(known.low), high=_finite(known.high)
    )


def _finite(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
