"""What a million images cost in each lane, by load, and from which load on on-prem is cheaper.

    python -m bench.cost --measured FILE.json

FILE.json is a `bench.cost.measured.Measured`. Prices are those of bench/cost/prices; those that are
from memory are marked. What is supposed is printed last, and each of it can be set:
``--set host=c7i.xlarge --set hosts_min=1``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.cost.assumptions import Assumptions, assumptions
from bench.cost.bill import ON_PREM, SERVERLESS, Bill
from bench.cost.break_even import LIMIT_PER_S, BreakEven
from bench.cost.measured import BadMeasurement, read_measured
from bench.cost.months import all_prices
from bench.cost.pricing import PriceError
from bench.cost.reckoning import Reckoned, reckon
from bench.intervals import RESAMPLES, Interval

LOADS_PER_S = (0.1, 1.0, 10.0, 100.0, 1000.0)
UNCHECKED = " (!)"


def main() -> None:
    """Reckon and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, required=True)
    parser.add_argument("--loads", type=float, nargs="+", default=list(LOADS_PER_S))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()
    try:
        measured = read_measured(chosen.measured)
        assumed = assumptions(chosen.settings)
        figures = reckon(measured, assumed, all_prices(), chosen.loads, chosen.resamples)
    except (BadMeasurement, PriceError, ValueError) as error:
        sys.exit(str(error))
    print("\n".join(shown(figures, assumed)))
    if chosen.json:
        chosen.json.write_text(json.dumps(_plain(figures, assumed), indent=2) + "\n")


def shown(figures: Reckoned, assumed: Assumptions) -> list[str]:
    """Return the report's lines."""
    costs = figures.costs
    lines = [f"measured on {figures.measured.machine}", ""]
    for lane in (SERVERLESS, ON_PREM):
        lines += _table([(bill, found) for bill, found in costs if bill.lane == lane])
    lines.append(_even(figures.even))
    if any(not line.checked for bill, _ in costs for line in bill.lines):
        lines.append(f"{UNCHECKED.strip()}: this price is from memory; look it up")
    lines += [f"warning: {text}" for text in _warnings(costs)]
    lines += ["", "free allowances are not counted; supposed is:"]
    lines += [f"  {name} = {value}: {about}" for name, value, about in assumed.told()]
    return lines


def _table(costs: list[tuple[Bill, Interval]]) -> list[str]:
    bills = [bill for bill, _ in costs]
    items = list(dict.fromkeys(line.item for bill in bills for line in bill.lines))
    width = max(map(len, items)) + len(UNCHECKED)
    head = f"{bills[0].lane + ', USD a million':<{width}}"
    rows = [head + "".join(f"{f'{bill.images_per_s:g}/s':>12}" for bill in bills)]
    for item in items:
        found = [next((one for one in bill.lines if one.item == item), None) for bill in bills]
        mark = UNCHECKED if any(one and not one.checked for one in found) else ""
        figures = "".join(f"{one.usd_per_million:>12.3f}" if one else f"{'':>12}" for one in found)
        rows.append(f"{item + mark:<{width}}{figures}")
    rows.append(f"{'together':<{width}}" + "".join(f"{b.usd_per_million:>12.3f}" for b in bills))
    for name in ("low", "high"):
        bounds = "".join(f"{getattr(found, name):>12.3f}" for _, found in costs)
        rows.append(f"{'  95 %, ' + name:<{width}}{bounds}")
    return [*rows, ""]


def _even(even: BreakEven) -> str:
    if even.interval is None:
        if not even.ever:
            return f"on-prem is at no load up to {LIMIT_PER_S:,.0f} images/s the cheaper lane"
        return f"on-prem is at some loads the cheaper lane, but not at {LIMIT_PER_S:,.0f} images/s"
    line = f"on-prem is the cheaper lane from {even.interval} images/s on, all the time"
    return line if even.single else line + "; below that the lanes cross more than once"


def _warnings(costs: list[tuple[Bill, Interval]]) -> list[str]:
    """Return each warning once, with the loads that it is about."""
    loads: dict[tuple[str, str], list[str]] = defaultdict(list)
    for bill, _ in costs:
        for text in bill.warnings:
            loads[bill.lane, text].append(f"{bill.images_per_s:g}")
    return [
        f"{lane} at {', '.join(these)} images/s: {text}" for (lane, text), these in loads.items()
    ]


def _plain(figures: Reckoned, assumed: Assumptions) -> dict[str, Any]:
    """Return the figures as JSON has them, where infinity is null. ``costs`` is as in a report."""
    even = figures.even
    interval = even.interval
    return {
        "measured_on": figures.measured.machine,
        "costs": [
            {
                "lane": bill.lane,
                "images_per_s": bill.images_per_s,
                "usd_per_million": asdict(found),
                "lines": [asdict(line) for line in bill.lines],
                "warnings": list(bill.warnings),
            }
            for bill, found in figures.costs
        ],
        "break_even_per_s": interval
        and {name: None if math.isinf(one) else one for name, one in asdict(interval).items()},
        "crosses_once": even.single,
        "on_prem_ever_cheaper": even.ever,
        "assumptions": asdict(assumed),
    }


if __name__ == "__main__":
    main()
