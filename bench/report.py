"""The report that the page's Compare shows: what was measured of both lanes, in one run.

    python -m bench.report

So far it has cold starts. It goes where the API looks for it: SKYLANE_REPORT, or report.json
in SKYLANE_HOME.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import psutil

from api.report import ColdStart, Interval, Report
from bench.lambdas import lane
from bench.worker_start import worker_starts
from settings import Settings

MEMORY_MB = (1769, 3538)  # one processor's worth of time, and two
STARTS = 6  # the least and the most of six hold the median with 97 % (order statistics)
WARM = 50  # images after the first, for each start
BACKEND = "openvino-int8"


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory-mb", type=int, nargs="*", default=list(MEMORY_MB))
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--out", type=Path, default=Settings().report_path)
    chosen = parser.parse_args()
    report = Report(
        format="skylane-report/1",
        made_at=datetime.now(UTC),
        machine=machine(),
        commands=[command(chosen)],
        verdict=None,
        load=[],
        bursts=[],
        cold_starts=cold_starts(chosen.memory_mb, chosen.starts),
        costs=[],
        break_even_per_s=None,
    )
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(report.model_dump_json(indent=2) + "\n")
    print(f"{chosen.out} is written; the page's Compare shows it.")


def command(chosen: argparse.Namespace) -> str:
    """Return what measures the same again."""
    sizes = " ".join(map(str, chosen.memory_mb))
    return f"python -m bench.report --starts {chosen.starts} --memory-mb {sizes}"


def machine() -> str:
    """Return what this machine is, in words."""
    memory_gib = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {platform.machine()}, {memory_gib:.0f} GiB of memory"


def cold_starts(memory_mb: list[int], starts: int) -> list[ColdStart]:
    """Start a worker and functions of each memory size, ``starts`` times each."""
    found = []
    with tempfile.TemporaryDirectory() as folder, lane(Path(folder)) as functions:
        for size_mb in memory_mb:
            times = functions.starts(size_mb, starts)
            found.append(_cold_start("serverless", size_mb, *times))
    with tempfile.TemporaryDirectory() as folder:
        found.insert(0, _cold_start("on-prem", None, *worker_starts(Path(folder), starts, WARM)))
    return found


def _cold_start(
    lane: str,
    memory_mb: int | None,
    inits_ms: list[float],
    firsts_ms: list[float],
    warm_ms: list[float],
) -> ColdStart:
    return ColdStart.model_validate(
        {
            "lane": lane,
            "backend": BACKEND,
            "memory_mb": memory_mb,
            "starts": len(inits_ms),
            "init_ms": _median(inits_ms),
            "first_ms": _median(firsts_ms),
            "warm_ms": Interval(value=round(statistics.median(warm_ms), 2)) if warm_ms else None,
        }
    )


def _median(samples: list[float]) -> Interval:
    """Return the median, between the least and the most."""
    low, value, high = min(samples), statistics.median(samples), max(samples)
    return Interval(value=round(value, 2), low=round(low, 2), high=round(high, 2))


if __name__ == "__main__":
    main()
