"""Both lanes under the same load, in turns, on this machine: what the report is made of.

    skylane bench compare --out results

Each repetition starts each lane afresh, in an order that chance decides, so that what the machine
does meanwhile meets both. Nothing is summed up here: every run is kept (`bench.load.files`), with
what each invocation was billed and what each part took of the processors.
"""

from __future__ import annotations

import csv
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import numpy as np
import psutil
import requests

from bench.lambda_lane.invocations import write as write_invocations
from bench.lambda_lane.lane import LambdaLane, running_lane
from bench.lambda_lane.limits import LaneLimits
from bench.load.arrivals import Burst, Poisson
from bench.load.drive import drive
from bench.load.files import write_run
from bench.load.images import Image, images_of
from bench.load.outcomes import Known, alone
from bench.load.run import Run
from bench.load.scenario import TILES, Scenario
from bench.load.target import Target
from bench.stack import Running, running_stack

LANES = ("on-prem", "serverless")
TOO_MANY_ERRORS = 0.05  # of a load: higher ones are not tried any more
KEPT_UP = 0.8  # of what was offered, done in the time: likewise
READS = 50  # requests for a result, to know what they cost

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to try, and how often."""

    rates_per_s: tuple[float, ...] = (2, 5, 10, 20, 40, 80, 120)  # single uploads, Poisson
    load_s: float = 25.0  # for each of them
    warm_up_s: float = 5.0  # of that, cut off
    burst_images: int = 200  # within a second; the functions' first, as after a quiet night
    full_images: int = 400  # within two: what passes when there is always more
    retries: int = 30  # of a burst's requests that were throttled or not answered
    repetitions: int = 3
    seed: int = 7
    # On this many processors more environments at work would only wait for each other.
    api_concurrency: int = 6
    infer_concurrency: int = 4


# Enough to see that all of it works; too little to say anything by.
QUICK = Plan(
    rates_per_s=(3, 8),
    load_s=8.0,
    warm_up_s=2.0,
    burst_images=30,
    full_images=60,
    repetitions=1,
    api_concurrency=3,
    infer_concurrency=2,
)


class Lane(Protocol):
    """A lane that runs."""

    target: Target

    def cool(self) -> None:
        """Have what comes next start from nothing, if this lane does so."""

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds that each part, and we, have used."""

    def keep(self, folder: Path, repetition: int, images: int) -> None:
        """Write down what else is known of this lane, once it has done so many images."""


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
        _append(folder / "on-prem-memory-mb.csv", line)


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
            _append(folder / "reads.csv", {"repetition": repetition, **line})
        line = {
            "repetition": repetition,
            "images": images,
            "log_bytes": logs_bytes,
            "dead_letters": len(self._lane.dead_letters()),
            **{f"{name}_throttles": count for name, count in self._lane.throttles().items()},
        }
        _append(folder / "lane.csv", line)

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
            read = [each for each in self._lane.invocations() if each.function == "api"][-1]
            size_bytes = len(accepted.content) + len(answer.content)
            yield {"billed_ms": read.billed_ms, "answer_bytes": size_bytes}


def compare(plan: Plan, out: Path, say: Say, lanes: tuple[str, ...] = LANES) -> None:
    """Run a plan and write everything below ``out``, a new folder.

    Raises:
        FileExistsError: there is something already.
    """
    out.mkdir(parents=True)
    chance = random.Random(plan.seed)
    images = images_of(TILES, np.random.default_rng(plan.seed))
    for repetition in range(plan.repetitions):
        order = chance.sample(lanes, len(lanes))
        for name in order:
            say(f"repetition {repetition + 1} of {plan.repetitions}: the {name} lane starts")
            with _started(name, plan) as lane:
                _try(name, lane, plan, repetition, images, out, say)
    # Last, so that a folder with a plan in it is whole.
    _write_plan(out, plan, lanes)


@contextmanager
def _started(name: str, plan: Plan) -> Iterator[Lane]:
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


def _try(
    name: str, lane: Lane, plan: Plan, repetition: int, images: list[Image], out: Path, say: Say
) -> None:
    known = alone(images, lane.target)
    done = 0
    for rate in plan.rates_per_s:
        run = _run(name, lane, _load(plan, rate, repetition), known, out, say)
        done += run.outcomes["done"]
        if run.errors > TOO_MANY_ERRORS * run.images:
            say(f"  {name}: {run.errors} errors of {run.images}; higher loads are left out")
            break
        if run.done_per_s < KEPT_UP * run.offered_per_s:
            say(f"  {name} does not keep up; higher loads are left out")
            break
    done += _run(name, lane, _full(plan, repetition), known, out, say).outcomes["done"]
    lane.cool()
    done += _run(name, lane, _burst(plan, repetition), known, out, say).outcomes["done"]
    lane.keep(out, repetition, done + len(images))


def _run(name: str, lane: Lane, scenario: Scenario, known: Known, out: Path, say: Say) -> Run:
    before_s = lane.cpu_s()
    run, outcomes = drive(scenario, lane.target, label=name, known=known)
    used_s = {part: after_s - before_s[part] for part, after_s in lane.cpu_s().items()}
    folder = write_run(out / "runs", run, outcomes)
    for part, seconds in used_s.items():
        ms = seconds / max(1, run.images + run.warm_up_images) * 1000
        _append(folder / "cpu.csv", {"part": part, "ms_per_image": round(ms, 4)})
    p50 = run.committed.percentiles[0].value
    told = "too few to say how fast" if p50 is None else f"p50 {p50:.0f} ms"
    say(
        f"  {name}, {scenario.name}: {run.offered_per_s:.0f}/s offered, {run.done_per_s:.0f}/s"
        f" done, {told}, {run.errors} errors"
    )
    return run


def _load(plan: Plan, rate_per_s: float, repetition: int) -> Scenario:
    return Scenario(
        name=f"load-{rate_per_s:g}",
        about="Single uploads, Poisson.",
        duration_s=plan.load_s,
        warm_up=plan.warm_up_s,
        arrivals=Poisson(kind="poisson", rate_per_s=rate_per_s),
        seed=plan.seed + repetition,
    )


def _burst(plan: Plan, repetition: int) -> Scenario:
    return Scenario(
        name="burst",
        about="Images within a second, into silence; functions start from nothing.",
        duration_s=2,
        arrivals=Burst(kind="burst", requests=plan.burst_images, over_s=1),
        retries=plan.retries,
        seed=plan.seed + repetition,
    )


def _full(plan: Plan, repetition: int) -> Scenario:
    return Scenario(
        name="full",
        about="More than passes, to see what does.",
        duration_s=3,
        arrivals=Burst(kind="burst", requests=plan.full_images, over_s=2),
        retries=plan.retries,
        seed=plan.seed + repetition,
    )


def _write_plan(out: Path, plan: Plan, lanes: tuple[str, ...]) -> None:
    told = {"lanes": lanes, **asdict(plan)}
    (out / "plan.json").write_text(json.dumps(told, indent=2) + "\n")


def _append(path: Path, line: dict[str, object] | dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        out = csv.DictWriter(file, list(line), lineterminator="\n")
        if new:
            out.writeheader()
        out.writerow(line)


def _own_cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
