"""Above which load, all the time, the on-prem lane is the cheaper one; and how sure that is.

Hosts and classes of databases come one by one, so a lane's cost has steps and the lanes may cross
more than once. What counts is the load from which on-prem stays cheaper. Between two steps both
costs are straight lines, so it is enough to look at the steps. Only where a price has tiers they
bend, and there the straight line is between two loads of which one is 7 % above the other.

How sure: all samples are drawn anew, with replacement, and all is reckoned again (the bootstrap
of Efron and Tibshirani, 1993, chapter 13). That covers what the measurements vary by, and neither
prices nor assumptions. Of a few runs' throughput it is too narrow (`bench.intervals.bootstrap`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.cost.assumptions import SECONDS_PER_MONTH, Assumptions
from bench.cost.bill import ON_PREM, SERVERLESS
from bench.cost.measured import Measured, Work, work_of
from bench.cost.months import (
    MILLION,
    Charge,
    Prices,
    database_bounds,
    host_images_per_s,
    on_prem_month,
    serverless_month,
)
from bench.cost.pricing import Amounts
from bench.intervals import CONFIDENCE, RESAMPLES, Interval

LIMIT_PER_S = 10_000.0  # no break-even is looked for above
STEP = 1e-9  # right of a step, by this much of it

Statistic = Callable[[Work], float]
MONTHS = {SERVERLESS: serverless_month, ON_PREM: on_prem_month}


@dataclass(frozen=True)
class BreakEven:
    """Where the lanes' costs cross, up to a limit.

    ``interval``: from how many images/s on on-prem stays the cheaper lane, 0 for at any load; None
    if at the limit it is the dearer one. ``single``: at every load below that, serverless is the
    cheaper one. ``ever``: at some load up to the limit, on-prem is the cheaper one.
    """

    interval: Interval | None
    single: bool
    ever: bool


def crossings(
    measured: Measured,
    assumed: Assumptions,
    prices: Prices,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    limit_per_s: float = LIMIT_PER_S,
) -> BreakEven:
    """Return where the lanes cross, and whether they do so more than once.

    A bound of the interval is infinite where on-prem, for all that was measured, may be dearer at
    ``limit_per_s``. The other two are of the measurements as they are.

    Raises:
        UnknownPrice: an assumption names what has no price.
    """

    def statistic(work: Work) -> float:
        return crossing(work, assumed, prices, limit_per_s)

    found = _interval(statistic, measured, assumed, rng, resamples)
    course = _course(_work(measured, assumed), assumed, prices, limit_per_s)
    ever = bool((course.at_start < 0).any() or (course.at_end < 0).any())
    if math.isinf(found.value):
        return BreakEven(None, single=False, ever=ever)
    below = course.starts < found.value
    # The last part that begins below is cut by the crossing itself, or ends there.
    cheaper = (course.at_start[below] < 0).any() or (course.at_end[below][:-1] < 0).any()
    return BreakEven(found, single=not cheaper, ever=ever)


def break_even(
    measured: Measured,
    assumed: Assumptions,
    prices: Prices,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    limit_per_s: float = LIMIT_PER_S,
) -> Interval | None:
    """Return from how many images/s on on-prem stays cheaper, or ``None`` if it does not.

    ``crossings`` says more: None here does not say that on-prem is the dearer one everywhere.

    Raises:
        UnknownPrice: an assumption names what has no price.
    """
    return crossings(measured, assumed, prices, rng, resamples, limit_per_s).interval


def cost_interval(
    lane: str,
    images_per_s: float,
    measured: Measured,
    assumed: Assumptions,
    prices: Prices,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return what a million images cost in a lane at this load, in USD, and how sure that is."""
    load = np.array([images_per_s])

    def statistic(work: Work) -> float:
        usd = _total(MONTHS[lane](load, work, assumed, prices))
        return float(usd[0]) * MILLION / (images_per_s * SECONDS_PER_MONTH)

    return _interval(statistic, measured, assumed, rng, resamples)


def crossing(work: Work, assumed: Assumptions, prices: Prices, limit_per_s: float) -> float:
    """Return from how many images/s on on-prem stays cheaper; infinite: not at the limit."""
    course = _course(work, assumed, prices, limit_per_s)
    at_start, at_end = course.at_start, course.at_end
    if at_end[-1] > 0:
        return math.inf
    dearer = np.flatnonzero((at_start > 0) | (at_end > 0))
    if not len(dearer):
        return 0.0
    last = dearer[-1]
    start, end = float(course.starts[last]), float(course.ends[last])
    if at_end[last] > 0:  # it falls at the step
        return end
    return start + float(at_start[last] / (at_start[last] - at_end[last])) * (end - start)


@dataclass(frozen=True)
class _Course:
    """Between steps: where each part starts and ends, and what on-prem costs more there."""

    starts: Amounts
    ends: Amounts
    at_start: Amounts
    at_end: Amounts


def _course(work: Work, assumed: Assumptions, prices: Prices, limit_per_s: float) -> _Course:
    ends = _steps(work, assumed, prices, limit_per_s)
    starts = np.concatenate([[ends[0] * STEP], ends[:-1] * (1 + STEP)])
    at_start, at_end = (
        _total(on_prem_month(loads, work, assumed, prices))
        - _total(serverless_month(loads, work, assumed, prices))
        for loads in (starts, ends)
    )
    return _Course(starts, ends, at_start, at_end)


def _steps(work: Work, assumed: Assumptions, prices: Prices, limit_per_s: float) -> Amounts:
    """Return the loads at which a cost has a step or a bend, in order, and the limit."""
    host = host_images_per_s(work, assumed, prices)
    bends = [np.arange(1, math.floor(limit_per_s / host) + 1) * host]
    bends.append(np.array(list(database_bounds(work, assumed, prices.aws).values())))
    # Where the pollers are outrun, a disk outgrows its least, a host's included disk is full, and
    # tiers begin. The last two are found by looking, because several items share them.
    bends.append(np.array([assumed.pollers / assumed.poll_s / work.infer_calls]))
    bends.append(np.geomspace(limit_per_s * 1e-6, limit_per_s, 200))
    loads = np.unique(np.concatenate(bends))
    return np.append(loads[(loads > 0) & (loads < limit_per_s)], limit_per_s)


def _total(charges: list[Charge]) -> Amounts:
    return np.asarray(sum(one.usd for one in charges), dtype=np.float64)


def _interval(
    statistic: Statistic,
    measured: Measured,
    assumed: Assumptions,
    rng: np.random.Generator,
    resamples: int,
) -> Interval:
    found = np.array([statistic(_work(measured, assumed, rng)) for _ in range(resamples)])
    # By "lower" and "higher", because there is nothing between a number and infinity.
    tail = (1 - CONFIDENCE) / 2
    low = np.quantile(found, tail, method="lower")
    high = np.quantile(found, 1 - tail, method="higher")
    return Interval(statistic(_work(measured, assumed)), float(low), float(high))


def _work(measured: Measured, assumed: Assumptions, rng: np.random.Generator | None = None) -> Work:
    return work_of(measured, rng, assumed.network_ms, assumed.infer_images_per_call)
