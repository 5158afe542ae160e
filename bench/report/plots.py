"""The pictures of a report, as PNG. A lane has the same colour in all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from api.report import Report
from bench.intervals import Interval
from bench.report.load import STAGES
from model.evaluation.plots import DPI, FAINT, GRID, INK, axes_of

COLOURS = {"on-prem": "#1d6fb8", "serverless": "#c2410c"}
SIZE = (7.0, 3.6)
# Light to dark in the order in which an image passes them.
STAGE_COLOURS = ("#cbd5e1", "#94a3b8", "#7dd3fc", "#38bdf8", "#1d6fb8", "#0c4a6e")
TICKS_MS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)

Bounds = dict[tuple[str, float, float], Interval]  # of a lane's load's quantile


def draw(report: Report, bounds: Bounds, folder: Path) -> dict[str, Path]:
    """Draw what there is something to draw of, and return the files by name."""
    drawn = {}
    for name, make in _PICTURES.items():
        if figure := make(report, bounds):
            drawn[name] = folder / f"{name}.png"
            figure.savefig(drawn[name], dpi=DPI, facecolor="white", bbox_inches="tight")
    return drawn


def _latency(report: Report, bounds: Bounds) -> Figure | None:
    if not report.load:
        return None
    figure = Figure(figsize=(8.4, 3.6))
    panels = [axes_of(figure, 1, 2, 1), axes_of(figure, 1, 2, 2)]
    for axes, q in zip(panels, (0.5, 0.99), strict=True):
        for lane, colour in COLOURS.items():
            known = {
                load: interval
                for (whose, load, quantile), interval in sorted(bounds.items())
                if whose == lane and quantile == q
            }
            if not known:
                continue
            own = list(known)
            values = [one.value for one in known.values()]
            lows = [one.low for one in known.values()]
            highs = [one.high for one in known.values()]
            axes.fill_between(own, lows, highs, color=colour, alpha=0.18, lw=0)
            axes.plot(own, values, color=colour, marker="o", ms=4, lw=1.6, label=lane)
        axes.set_title(f"p{q * 100:g}, ms", loc="left", fontsize=9, color=INK)
        axes.set_xlabel("images/s offered", fontsize=8, color=FAINT)
        axes.set_xscale("log")
        loads = sorted({one.offered_per_s for one in report.load})
        axes.set_xticks(loads, [f"{one:g}" for one in loads])
        _milliseconds(axes)
        axes.grid(color=GRID)
    _same_limits(panels)
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def _burst(report: Report, _: Bounds) -> Figure | None:
    if not report.bursts:
        return None
    figure = Figure(figsize=SIZE)
    axes = axes_of(figure, 1, 1, 1)
    for burst in report.bursts:
        at = [point.at_s for point in burst.points]
        open_ones = [point.sent - point.done for point in burst.points]
        axes.plot(at, open_ones, color=COLOURS[burst.lane], lw=1.8, label=burst.lane)
    axes.set_title("images sent and not yet committed", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("s from the first image", fontsize=8, color=FAINT)
    axes.set_ylim(bottom=0)
    axes.grid(color=GRID)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _stages(report: Report, _: Bounds) -> Figure | None:
    by_load: dict[tuple[str, float], dict[str, float]] = defaultdict(dict)
    for one in report.stages:
        if one.p50_ms is not None:
            by_load[one.lane, one.offered_per_s][one.stage] = one.p50_ms
    if not by_load:
        return None
    figure = Figure(figsize=(7.6, 0.34 * len(by_load) + 1.3))
    axes = axes_of(figure, 1, 1, 1)
    names = [one.removesuffix("_ms") for one in STAGES]
    labels = [f"{lane}, {load:g}/s" for lane, load in by_load]
    left = np.zeros(len(by_load))
    for name, colour in zip(names, STAGE_COLOURS, strict=True):
        widths = np.array([times.get(name, 0.0) for times in by_load.values()])
        axes.barh(labels, widths, left=left, color=colour, height=0.66, label=name)
        left += widths
    axes.invert_yaxis()
    axes.tick_params(axis="y", colors=INK)
    axes.set_title("median of each stage, ms", loc="left", fontsize=9, color=INK, pad=22)
    axes.grid(axis="x", color=GRID)
    axes.legend(frameon=False, fontsize=8, ncols=6, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def _cold_starts(report: Report, _: Bounds) -> Figure | None:
    by_case: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    for one in report.cold_start_steps:
        by_case[one.backend, one.memory_mb][one.step] = one.ms.value / 1000
    if not by_case:
        return None
    figure = Figure(figsize=(7.6, 0.34 * len(by_case) + 1.3))
    axes = axes_of(figure, 1, 1, 1)
    labels = [f"{backend}, {memory_mb:,} MB" for backend, memory_mb in by_case]
    left = np.zeros(len(by_case))
    steps = list(next(iter(by_case.values())))
    for name, colour in zip(steps, STAGE_COLOURS[1:], strict=False):
        widths = np.array([times[name] for times in by_case.values()])
        axes.barh(labels, widths, left=left, color=colour, height=0.66, label=name)
        left += widths
    axes.invert_yaxis()
    axes.tick_params(axis="y", colors=INK)
    title = "a fresh process to its first prediction, s"
    axes.set_title(title, loc="left", fontsize=9, color=INK, pad=22)
    axes.grid(axis="x", color=GRID)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def _cost(report: Report, _: Bounds) -> Figure | None:
    if not report.costs:
        return None
    figure = Figure(figsize=SIZE)
    axes = axes_of(figure, 1, 1, 1)
    for lane, colour in COLOURS.items():
        own = sorted(
            (one for one in report.costs if one.lane == lane), key=lambda one: one.images_per_s
        )
        loads = [one.images_per_s for one in own]
        values = [one.usd_per_million for one in own]
        axes.plot(loads, [one.value for one in values], color=colour, marker="o", ms=4, label=lane)
        lows = [one.low or one.value for one in values]
        highs = [one.high or one.value for one in values]
        axes.fill_between(loads, lows, highs, color=colour, alpha=0.18, lw=0)
    even = report.break_even_per_s
    if even and even.value > 0:
        axes.axvline(even.value, color=INK, lw=1, ls=":")
        most = max(one.images_per_s for one in report.costs)
        high = most if even.high is None else even.high  # none was found: it is open
        axes.axvspan(even.low or even.value, high, color=INK, alpha=0.08, lw=0)
        axes.annotate(
            f" break-even {even.value:.2g}/s",
            (even.value, 1),
            xycoords=("data", "axes fraction"),
            va="top",
            fontsize=8,
            color=INK,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_title("USD for a million images", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("images/s, all the time", fontsize=8, color=FAINT)
    axes.grid(color=GRID)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _milliseconds(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.set_yticks(TICKS_MS, [f"{one:,}" for one in TICKS_MS])
    axes.minorticks_off()


def _same_limits(panels: list[Axes]) -> None:
    low = min(axes.dataLim.y0 for axes in panels)
    high = max(axes.dataLim.y1 for axes in panels)
    if low < high < float("inf"):
        for axes in panels:
            axes.set_ylim(low / 1.3, high * 1.3)


_PICTURES: dict[str, Callable[[Report, Bounds], Figure | None]] = {
    "latency": _latency,
    "burst": _burst,
    "stages": _stages,
    "cold-starts": _cold_starts,
    "cost": _cost,
}
