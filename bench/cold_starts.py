"""Cold starts, taken apart: process, imports, model, first prediction, by memory and backend.

    python -m bench.cold_starts

Each start is a new process with the share of processor time that a function of that memory has.
Backends and sizes take turns, so that all meet the same noise. The page cache is warm: files have
been read before, as on a host that has had the image. More than this machine's processors no share
can be; sizes that would have more are marked.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from bench.cpu_quota import CpuQuota
from bench.intervals import Interval, needed, quantile
from bench.lambda_environment import MB_PER_CPU
from bench.raw import TILES
from local.interrupts import interruptible
from model.artefact import Artefact
from settings import ROOT, Settings

MEMORY_MB = (512, 1024, 1769, 3008, 5307, 10240)
STARTS = needed(0.5)  # the median has an interval from six on
LIMIT_S = 300.0
STEPS = ("process", "imports", "model", "first", "second")
INT8, FP32 = "openvino-int8", "torch-fp32"


class StartFailed(Exception):
    """A process did not get to its second prediction; the message holds what it said."""


@dataclass(frozen=True)
class Start:
    """One cold start: how long each step took, in ms."""

    backend: str
    memory_mb: int
    step_ms: dict[str, float]

    @property
    def total_ms(self) -> float:
        """From the process' beginning to the first prediction."""
        return sum(ms for step, ms in self.step_ms.items() if step != "second")


@interruptible()
def main() -> None:
    """Measure, print a table, and write the starts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory-mb", type=int, nargs="+", default=list(MEMORY_MB))
    parser.add_argument("--backends", nargs="+", choices=(INT8, FP32), default=[INT8, FP32])
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--json", type=Path, help="write every start to this file as well")
    chosen = parser.parse_args()
    found = cold_starts(chosen.memory_mb, chosen.backends, chosen.starts)
    for line in shown(found):
        print(line)
    if chosen.json:
        chosen.json.write_text(json.dumps([vars(one) for one in found], indent=2) + "\n")


def cold_starts(memory_mb: list[int], backends: list[str], starts: int) -> list[Start]:
    """Start each backend at each size so often, in a random order within each round.

    Raises:
        StartFailed: one did not get to its second prediction.
        PermissionError: this user may not share out processor time (control groups).
    """
    if (probe := CpuQuota.of(1.0)) is None:
        raise PermissionError("control groups, which share out processor time, are not ours here")
    probe.remove()
    order = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        artefacts = {one: _artefact(one, Path(folder)) for one in backends}
        for artefact in artefacts.values():
            _start("warms the page cache", artefact, 2 * MB_PER_CPU)
        cases = [(backend, size) for backend in backends for size in memory_mb]
        found = []
        for _ in range(starts):
            order.shuffle(cases)
            found += [_start(backend, artefacts[backend], size) for backend, size in cases]
    return found


def read_cold_starts(path: Path) -> list[Start]:
    """Read what this command wrote with ``--json``."""
    return [Start(**one) for one in json.loads(path.read_text())]


def shown(found: list[Start]) -> list[str]:
    """Return a table: medians of each step, and of all together with its interval."""
    by_case = defaultdict(list)
    for one in found:
        by_case[one.backend, one.memory_mb].append(one)
    lines = [
        f"{'ms, medians':<16}{'MB':>7}" + "".join(f"{step:>9}" for step in STEPS) + "   in all"
    ]
    for (backend, memory_mb), starts in sorted(by_case.items()):
        steps = [statistics.median(one.step_ms[step] for one in starts) for step in STEPS]
        mark = "*" if memory_mb / MB_PER_CPU > (psutil.cpu_count() or 1) else " "
        cells = "".join(f"{ms:>9.0f}" for ms in steps)
        lines.append(f"{backend:<16}{memory_mb:>6}{mark}{cells}   {_told(starts)}")
    return [*lines, "*: would have more processors than this machine has"]


def median(samples: list[float]) -> Interval | None:
    """Return a median with its interval; None of fewer than six."""
    return quantile(samples, 0.5)


def _told(starts: list[Start]) -> str:
    interval = median([one.total_ms for one in starts])
    if interval is None:
        return f"{len(starts)} starts are too few: {needed(0.5)} are needed"
    return f"{interval.value:.0f} ({interval.low:.0f}–{interval.high:.0f})"


def _artefact(backend: str, folder: Path) -> Path:
    """Return what a backend opens. Torch's weights are made up: no time depends on them."""
    served = Settings().artefact
    if backend == INT8:
        return served
    from model.reference.architecture import build
    from model.reference.checkpoint import About, write

    about = About(arch="resnet50", labels=Artefact.open(served).labels)
    path = folder / "resnet50.safetensors"
    write(path, build(about.arch, len(about.labels)), about)
    return path


def _start(backend: str, artefact: Path, memory_mb: int) -> Start:
    tile = min(TILES.glob("*/*.jpg"))
    quota = CpuQuota.of(memory_mb / MB_PER_CPU)
    assert quota, "probed before"
    command = [sys.executable, "-m", "bench.cold_start_steps", str(artefact), str(tile)]
    try:
        started = time.monotonic()
        process = subprocess.run(
            quota.wrapped(command), cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S
        )
    finally:
        quota.remove()
    if process.returncode:
        raise StartFailed(f"{backend}, {memory_mb} MB: {process.stderr[-1000:]}")
    stamps = [started, *json.loads(process.stdout.splitlines()[-1]).values()]
    steps = zip(STEPS, pairwise(stamps), strict=True)
    return Start(backend, memory_mb, {step: (end - begin) * 1000 for step, (begin, end) in steps})


if __name__ == "__main__":
    main()
