"""From nothing to work in each lane: a function's INIT under AWS's client, a worker's start.

    python -m bench.lane_starts --json FILE

Functions start at each memory size, workers as they are. Each is then given one image, and more,
one after the other. What is kept are the samples.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.intervals import needed
from bench.lambda_environment import LambdaError
from bench.lambdas import lane
from bench.worker_start import worker_starts
from local.interrupts import interruptible

MEMORY_MB = (512, 1024, 1769, 3008, 10240)
STARTS = needed(0.5)  # the median has an interval from six on
WARM = 48  # images after the first, at each size
BACKEND = "openvino-int8"


@dataclass(frozen=True)
class LaneStarts:
    """A lane's starts at one memory size, in ms; on-prem has none. ``failed`` says what kept it."""

    lane: str
    backend: str
    memory_mb: int | None
    init_ms: list[float]
    first_ms: list[float]
    warm_ms: list[float]
    failed: str = ""


def lane_starts(
    memory_mb: Iterable[int] = MEMORY_MB, starts: int = STARTS, warm: int = WARM
) -> list[LaneStarts]:
    """Start a worker, and functions of each memory size, ``starts`` times each."""
    found = []
    with tempfile.TemporaryDirectory() as folder, lane(Path(folder)) as functions:
        for size_mb in memory_mb:
            try:
                times = functions.starts(size_mb, starts, warm // starts)
                found.append(LaneStarts("serverless", BACKEND, size_mb, *times))
            except LambdaError as error:  # INIT has ten seconds, as in the cloud
                why = str(error).splitlines()[0]
                found.append(LaneStarts("serverless", BACKEND, size_mb, [], [], [], failed=why))
    # Last: it sets variables of this process, and the functions' stores would be looked for there.
    with tempfile.TemporaryDirectory() as folder:
        times = worker_starts(Path(folder), starts, warm // starts)
        found.insert(0, LaneStarts("on-prem", BACKEND, None, *times))
    return found


def read_starts(path: Path) -> list[LaneStarts]:
    """Read what this command wrote."""
    return [LaneStarts(**one) for one in json.loads(path.read_text())]


@interruptible()
def main() -> None:
    """Measure and write every sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory-mb", type=int, nargs="+", default=list(MEMORY_MB))
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--warm", type=int, default=WARM)
    parser.add_argument("--json", type=Path, required=True)
    chosen = parser.parse_args()
    found = lane_starts(chosen.memory_mb, chosen.starts, chosen.warm)
    chosen.json.write_text(json.dumps([asdict(one) for one in found]) + "\n")


if __name__ == "__main__":
    main()
