"""All bills of both lanes by load, and where one crosses the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.cost.assumptions import Assumptions
from bench.cost.bill import Bill, on_prem_bill, serverless_bill
from bench.cost.break_even import BreakEven, cost_interval, crossings
from bench.cost.measured import Measured
from bench.cost.months import Prices
from bench.intervals import Interval

SEED = 1  # of the bootstrap: the same measurements give the same intervals


@dataclass(frozen=True)
class Reckoned:
    """What both lanes cost, in USD a million images, and from which load on on-prem is cheaper."""

    measured: Measured
    costs: list[tuple[Bill, Interval]]  # both lanes' for each load, with the 95 % interval
    even: BreakEven


def reckon(
    measured: Measured,
    assumed: Assumptions,
    prices: Prices,
    loads_per_s: Sequence[float],
    resamples: int,
) -> Reckoned:
    """Reckon both lanes' bills at each load, and the break-even.

    Raises:
        UnknownPrice: an assumption names what has no price.
    """
    rng = np.random.default_rng(SEED)
    costs = [
        (bill, cost_interval(bill.lane, load, measured, assumed, prices, rng, resamples))
        for load in loads_per_s
        for bill in (
            on_prem_bill(load, measured, assumed, prices),
            serverless_bill(load, measured, assumed, prices),
        )
    ]
    return Reckoned(measured, costs, crossings(measured, assumed, prices, rng, resamples))
