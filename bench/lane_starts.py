"""From nothing to work in each lane: a function's INIT under AWS's client, a worker's start.
And what batches of several images take, once a function is warm.

    python -m bench.lane_starts --json FILE

Functions start at each memory size, workers as they are. Each is then given one image, and more,
one after the other. Batches are messages of SQS, at the memory size of the lane's own infer
function. What is kept are the samples.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.intervals import needed
from bench.lambda_environment import LambdaError
from bench.lambda_lane.limits import LaneLimits
from bench.lambdas import Lane, lane
from bench.simulation.service_times import BatchTime
from bench.worker_start import worker_starts
from local.interrupts import interruptible

MEMORY_MB = (512, 1024, 1769, 3008, 10240)
STARTS = needed(0.5)  # the median has an interval from six on
WARM = 48  # images after the first, at each size
BATCHES = (1, 2, 5, 10)  # images; 10 is the most that the lane's queue hands out at once
BATCH_SAMPLES = 20  # of each
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


@dataclass(frozen=True)
class Kept:
    """What is written: starts, and warm batches of the infer function, if there are any."""

    starts: list[LaneStarts]
    batches: list[BatchTime]


def lane_starts(
    memory_mb: Iterable[int] = MEMORY_MB,
    starts: int = STARTS,
    warm: int = WARM,
    batch_samples: int = BATCH_SAMPLES,
) -> Kept:
    """Start a worker, and functions of each memory size, ``starts`` times each; time batches."""
    found = []
    with tempfile.TemporaryDirectory() as folder, lane(Path(folder)) as functions:
        for size_mb in memory_mb:
            try:
                times = functions.starts(size_mb, starts, warm // starts)
                found.append(LaneStarts("serverless", BACKEND, size_mb, *times))
            except LambdaError as error:  # INIT has ten seconds, as in the cloud
                why = str(error).splitlines()[0]
                found.append(LaneStarts("serverless", BACKEND, size_mb, [], [], [], failed=why))
        batches = _batches(functions, batch_samples)
    # Last: it sets variables of this process, and the functions' stores would be looked for there.
    with tempfile.TemporaryDirectory() as folder:
        times = worker_starts(Path(folder), starts, warm // starts)
        found.insert(0, LaneStarts("on-prem", BACKEND, None, *times))
    return Kept(found, batches)


def read_starts(path: Path) -> list[LaneStarts]:
    """Read the starts that this command wrote."""
    return [LaneStarts(**one) for one in json.loads(path.read_text())["starts"]]


def read_batches(path: Path) -> list[BatchTime]:
    """Read the batches that this command wrote."""
    return [BatchTime(**one) for one in json.loads(path.read_text())["batches"]]


def _batches(functions: Lane, samples: int) -> list[BatchTime]:
    """Return no batch if one fails: who reads this has to do, and to say so, without."""
    if not samples:
        return []
    try:
        times = functions.batches(LaneLimits().infer_memory_mb, BATCHES, samples)
    except LambdaError as error:
        print(f"batches: {error}", file=sys.stderr)
        return []
    return [BatchTime(images=images, ms=ms) for images, ms in times]


@interruptible()
def main() -> None:
    """Measure and write every sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory-mb", type=int, nargs="+", default=list(MEMORY_MB))
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--warm", type=int, default=WARM)
    parser.add_argument("--batch-samples", type=int, default=BATCH_SAMPLES, help="of each size")
    parser.add_argument("--json", type=Path, required=True)
    chosen = parser.parse_args()
    kept = lane_starts(chosen.memory_mb, chosen.starts, chosen.warm, chosen.batch_samples)
    written = {
        "starts": [asdict(one) for one in kept.starts],
        "batches": [one.model_dump() for one in kept.batches],
    }
    chosen.json.write_text(json.dumps(written) + "\n")


if __name__ == "__main__":
    main()
