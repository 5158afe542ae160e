"""The bill of each lane at a steady load, all the time: itemised, for a million images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.cost.assumptions import SECONDS_PER_MONTH, Assumptions
from bench.cost.measured import Measured, Work, work_of
from bench.cost.months import (
    MILLION,
    Charge,
    Prices,
    database_bounds,
    on_prem_month,
    serverless_month,
)
from bench.cost.pricing import Amounts

SERVERLESS, ON_PREM = "serverless", "on-prem"


@dataclass(frozen=True)
class Line:
    """An item of a bill, for a million images."""

    item: str
    unit: str
    units_per_million: float
    usd_per_million: float
    checked: bool  # false: its price is from memory


@dataclass(frozen=True)
class Bill:
    """What a lane costs at one load, and what to know of it."""

    lane: str
    images_per_s: float
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]

    @property
    def usd_per_million(self) -> float:
        """What a million images cost."""
        return sum(line.usd_per_million for line in self.lines)

    @property
    def usd_per_month(self) -> float:
        """What a month costs."""
        return self.usd_per_million * self.images_per_s * SECONDS_PER_MONTH / MILLION


Lane = Callable[[Amounts, Work, Assumptions, Prices], list[Charge]]


def serverless_bill(
    images_per_s: float, measured: Measured, assumed: Assumptions, prices: Prices
) -> Bill:
    """Return what the serverless lane costs at this load.

    Raises:
        UnknownPrice: an assumption names a class that has no price.
        ValueError: ``images_per_s`` is not above 0.
    """
    return _bill(SERVERLESS, serverless_month, images_per_s, measured, assumed, prices)


def on_prem_bill(
    images_per_s: float, measured: Measured, assumed: Assumptions, prices: Prices
) -> Bill:
    """Return what the on-prem lane costs at this load.

    Raises:
        UnknownPrice: an assumption names a host or a class that has no price.
        ValueError: ``images_per_s`` is not above 0.
    """
    return _bill(ON_PREM, on_prem_month, images_per_s, measured, assumed, prices)


def usd_per_million(
    lane: str, images_per_s: float, measured: Measured, assumed: Assumptions, prices: Prices
) -> float:
    """Return what a million images cost in a lane (``serverless`` or ``on-prem``) at this load."""
    bill = {SERVERLESS: serverless_bill, ON_PREM: on_prem_bill}[lane]
    return bill(images_per_s, measured, assumed, prices).usd_per_million


def _bill(
    lane: str,
    month: Lane,
    images_per_s: float,
    measured: Measured,
    assumed: Assumptions,
    prices: Prices,
) -> Bill:
    if images_per_s <= 0:
        raise ValueError(f"{images_per_s} images/s: more than 0 are wanted")
    work = work_of(
        measured, network_ms=assumed.network_ms, infer_images=assumed.infer_images_per_call
    )
    per_million = MILLION / (images_per_s * SECONDS_PER_MONTH)
    charges = month(np.array([images_per_s]), work, assumed, prices)
    lines = tuple(
        Line(
            one.item,
            one.unit,
            float(one.units[0]) * per_million,
            float(one.usd[0]) * per_million,
            one.checked,
        )
        for one in charges
        if one.units[0]
    )
    warnings = _not_measured(measured, assumed) if lane == SERVERLESS else []
    if lane == SERVERLESS or assumed.on_prem_database == "rds":
        most, carried = list(database_bounds(work, assumed, prices.aws).items())[-1]
        if images_per_s > carried:
            warnings.append(f"{most} carries {carried:.3g} images/s, and no larger one is reckoned")
    return Bill(lane, images_per_s, lines, tuple(warnings))


def _not_measured(measured: Measured, assumed: Assumptions) -> list[str]:
    """Return what the serverless lane's bill guesses or leaves out: nobody measured it."""
    told = []
    wanted = assumed.infer_images_per_call
    largest = max(measured.infer_batch_images or measured.infer_images)
    if wanted is not None and wanted > largest:
        told.append(f"calls of {wanted:g} images are reckoned from calls of {largest} at most")
    if not measured.sweep_ms:
        told.append("no sweep was measured: the time of sweeps is left out")
    if not measured.api_read_ms and assumed.result_requests:
        told.append("no request for a result was measured: the time of those is left out")
    return told
