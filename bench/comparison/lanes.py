"""The lanes as they run here, and what else there is to know of each."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import numpy as np
import psutil
import requests

from bench.comparison.plan import Plan
from bench.lambda_lane.invocations import write as write_invocations
from bench.lambda_lane.lane import LambdaLane, running_lane
from bench.lambda_lane.limits import LaneLimits
from bench.load.images import images_of
from bench.load.scenario import TILES
from bench.load.target import Target
from bench.stack import Running, running_stack

READS = 50  # requests for a result, to know what they cost


class Lane(Protocol):
    """A lane that runs."""

    target: Target

    def cool(self) -> None:
        """Have what comes next start from nothing, if this lane does so."""

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds that each part, and we, have used."""

    def keep(self, folder: Path, repetition: int, images: int) -> None:
        """Write down what else is known of this lane, once it was sent so many images."""


class OnPrem:
    """The stack that ./run starts."""

    def __init__(self, stack: Running) -> None:
        self.target = Target(stack.url, database_url=stack.database_url)
        self._stack = stack

    def cool(self) -> None:
        """Do nothing: workers stand by, which is what this lane is about."""

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds of each part."""
        return self._stack.cpu_s() | {"client": _own_cpu_s()}

    def keep(self, folder: Path, repetition: int, images: int) -> None:
        """Write down what memory each part takes."""
        line = {"repetition": repetition, **self._stack.memory_mb()}
        append(folder / "on-prem-memory-mb.csv", line)


class Serverless:
    """The functions, in environments on this machine."""

    def __init__(self, lane: LambdaLane, folder: Path) -> None:
        self.target = Target(lane.url, database_url=lane.database_url)
        self._lane = lane
        self._folder = folder

    def cool(self) -> None:
        """End all environments."""
        self._lane.end_environments()

    def cpu_s(self) -> dict[str, float]:
        """Return what we used; environments come and go, and are billed by duration."""
        return {"client": _own_cpu_s()}

    def keep(self, folder: Path, repetition: int, images: int) -> None:
        """Write down every invocation, what answers and reads take, and what was logged."""
        logs_bytes = sum(
            path.stat().st_size for name in ("api", "infer") for path in self._logs(name)
        )
        write_invocations(self._lane.invocations(), folder / f"invocations-{repetition}.csv")
        for line in self._reads():
            append(folder / "reads.csv", {"repetition": repetition, **line})
        line = {
            "repetition": repetition,
            "images": images,
            "log_bytes": logs_bytes,
            "dead_letters": len(self._lane.dead_letters()),
            **{f"{name}_throttles": count for name, count in self._lane.throttles().items()},
        }
        append(folder / "lane.csv", line)

    def _logs(self, function: str) -> Iterator[Path]:
        return (self._folder / function).glob("*.log")

    def _reads(self) -> Iterator[dict[str, float]]:
        """Ask for results, one after the other, and yield what each invocation was billed."""
        [image] = images_of(TILES, np.random.default_rng(0))[:1]
        for _ in range(READS):
            one = uuid4()
            headers = {"Content-Type": image.media_type}
            url = self.target.to(f"/upload?wait=0&request_id={one}")
            accepted = requests.post(url, data=image.data, headers=headers, timeout=60)
            accepted.raise_for_status()
            answer = requests.get(self.target.to(f"/results/{one}"), timeout=60)
            answer.raise_for_status()
            read = [each for each in self._lane.invocations() if each.function == "api"][-1]
            size_bytes = len(accepted.content) + len(answer.content)
            yield {"billed_ms": read.billed_ms, "answer_bytes": size_bytes}


@contextmanager
def started(name: str, plan: Plan) -> Iterator[Lane]:
    """Run a lane for as long as the ``with`` lasts."""
    if name == "on-prem":
        with running_stack() as stack:
            yield OnPrem(stack)
        return
    limits = LaneLimits(
        api_reserved_concurrency=plan.api_concurrency,
        infer_max_concurrency=plan.infer_concurrency,
    )
    with (
        tempfile.TemporaryDirectory(prefix="skylane-compare-") as folder,
        running_lane(Path(folder), limits) as lane,
    ):
        yield Serverless(lane, Path(folder))


def append(path: Path, line: Mapping[str, object]) -> None:
    """Add a line to a CSV file, and a header if it is the first."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        out = csv.DictWriter(file, list(line), lineterminator="\n")
        if new:
            out.writeheader()
        out.writerow(line)


def _own_cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
