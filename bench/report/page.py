"""A comparison's report, written: report.html in one file, its pictures, and report.json."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from api.report import Report
from bench.comparison.plan import QUICK as QUICK_PLAN
from bench.cost.assumptions import Assumptions
from bench.intervals import RESAMPLES
from bench.report import load, scale, starts, verdict
from bench.report.found import Found
from bench.report.money import Money, money
from bench.report.plots import Bounds, draw

HERE = Path(__file__).parent
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Effort:
    """How much is reckoned and simulated."""

    resamples: int = RESAMPLES  # of the bootstrap behind the bills' intervals
    settings: Sequence[scale.Setting] = scale.SETTINGS  # lanes that are simulated


QUICK = Effort(resamples=50, settings=scale.SMALL)


def write_report(
    folder: Path, out: Path, assumed: Assumptions | None = None, effort: Effort | None = None
) -> Report:
    """Make the report of a comparison's folder and write it into ``out``.

    Raises:
        NoRun: ``folder`` holds no comparison.
        UnknownPrice: an assumption names what has no price.
    """
    found = Found(folder)
    effort = effort or Effort()
    reckoned = money(found, assumed or Assumptions(), effort.resamples)
    report = made(found, reckoned, effort)
    bounds = _bounds(found)
    out.mkdir(parents=True, exist_ok=True)
    pictures = {
        name: base64.b64encode(path.read_bytes()).decode()
        for name, path in draw(report, bounds, out).items()
    }
    (out / "report.json").write_text(report.model_dump_json(indent=2) + "\n")
    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = templates.get_template("report.html.jinja").render(
        report=report, pictures=pictures, bounds=bounds, money=reckoned, runs=found.runs
    )
    (out / "report.html").write_text(page)
    return report


def made(found: Found, reckoned: Money | None, effort: Effort) -> Report:
    """Return everything that a comparison tells."""
    times = scale.service_times(found)
    simulated = scale.simulated(times, effort.settings) if times else []
    machine = found.runs[0].machine
    return Report(
        format="skylane-report/1",
        made_at=datetime.now(UTC),
        machine=f"{machine.processor}, {machine.cores} processors, {machine.memory_gib:g} GiB",
        commands=[
            _command(found),
            f"skylane bench report {found.folder.name}",
        ],
        verdict=_caveat(found, effort) + verdict.verdict(found, reckoned),
        load=load.load_points(found),
        bursts=load.bursts(found),
        cold_starts=starts.cold_starts(found),
        costs=reckoned.costs() if reckoned else [],
        break_even_per_s=reckoned.break_even_per_s() if reckoned else None,
        table=verdict.table(found, reckoned, simulated),
        stages=load.stages(found),
        cold_start_steps=starts.cold_start_steps(found),
        predicted=scale.predicted(found, times) if times else [],
        simulated=simulated,
        assumptions=verdict.assumptions(found, reckoned),
    )


def _was_quick(found: Found) -> bool:
    load_s = found.plan["load_s"]
    assert isinstance(load_s, int | float)
    return load_s <= QUICK_PLAN.load_s


def _caveat(found: Found, effort: Effort) -> str:
    """Return what has to come before a verdict that nobody should rely on."""
    if _was_quick(found):
        return "This was a quick comparison, to see that it works: decide nothing by it. "
    if effort == QUICK:
        return "Little was reckoned and simulated here, to see that it works (--quick). "
    return ""


def _command(found: Found) -> str:
    """Return what measures the same again."""
    seed, repetitions = found.plan["seed"], found.plan["repetitions"]
    quick = " --quick" if _was_quick(found) else ""
    return (
        f"skylane bench compare{quick} --out {found.folder.name} --seed {seed}"
        f" --repetitions {repetitions}"
    )


def _bounds(found: Found) -> Bounds:
    return {
        (lane, one.offered_per_s, q): known
        for lane in found.lanes
        for one in found.loads(lane)
        for q in QUANTILES
        if (known := load.percentile(one, q))
    }
