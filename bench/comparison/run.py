"""The plan, carried out."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from subprocess import DEVNULL

import numpy as np

from bench.comparison.lanes import Lane, append, started
from bench.comparison.plan import KEPT_UP, LANES, TOO_MANY_ERRORS, Plan
from bench.cpu_quota import CpuQuota
from bench.load.arrivals import Burst, Poisson
from bench.load.drive import about_of, drive
from bench.load.files import write_run
from bench.load.images import Image, images_of
from bench.load.outcomes import Known, alone
from bench.load.run import Run
from bench.load.scenario import TILES, Scenario
from settings import ROOT

STOP_WITHIN_S = 90.0

Say = Callable[[str], None]


def compare(plan: Plan, out: Path, say: Say, lanes: tuple[str, ...] = LANES) -> None:
    """Run a plan and write everything below ``out``, a new folder.

    Raises:
        FileExistsError: there is something already.
    """
    without = _without(plan)
    for why in without:
        say(why)
    out.mkdir(parents=True)
    chance = random.Random(plan.seed)
    images = images_of(TILES, np.random.default_rng(plan.seed))
    for repetition in range(plan.repetitions):
        order = chance.sample(lanes, len(lanes))
        for name in order:
            say(f"repetition {repetition + 1} of {plan.repetitions}: the {name} lane starts")
            with started(name, plan) as lane:
                _try(name, lane, plan, repetition, images, out, say)
    _starts(plan, out, say, quota=not without)
    # Last, so that a folder with a plan in it is whole.
    told = {"lanes": lanes, "without": without, **asdict(plan)}
    (out / "plan.json").write_text(json.dumps(told, indent=2) + "\n")


def _try(
    name: str, lane: Lane, plan: Plan, repetition: int, images: list[Image], out: Path, say: Say
) -> None:
    known = alone(images, lane.target, about_of(lane.target))
    sent = len(images)
    for rate in plan.rates_per_s:
        run = _run(name, lane, _load(plan, rate, repetition), known, out, say)
        sent += run.images
        if run.errors > TOO_MANY_ERRORS * run.images:
            say(f"  {name}: {run.errors} errors of {run.images}; higher loads are left out")
            break
        if run.done_per_s < KEPT_UP * run.offered_per_s:
            say(f"  {name} does not keep up; higher loads are left out")
            break
    sent += _run(name, lane, _full(plan, repetition), known, out, say).images
    lane.cool()
    sent += _run(name, lane, _burst(plan, repetition), known, out, say).images
    lane.keep(out, repetition, sent)


def _run(name: str, lane: Lane, scenario: Scenario, known: Known, out: Path, say: Say) -> Run:
    before_s = lane.cpu_s()
    run, outcomes = drive(scenario, lane.target, label=name, known=known)
    used_s = {part: after_s - before_s[part] for part, after_s in lane.cpu_s().items()}
    folder = write_run(out / "runs", run, outcomes)
    for part, seconds in used_s.items():
        ms = seconds / max(1, run.images) * 1000
        append(folder / "cpu.csv", {"part": part, "ms_per_image": round(ms, 4)})
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
        duration_s=plan.full_over_s + 1,
        arrivals=Burst(kind="burst", requests=plan.full_images, over_s=plan.full_over_s),
        retries=plan.retries,
        seed=plan.seed + repetition,
    )


def _without(plan: Plan) -> list[str]:
    """Return what cannot be measured here, and why, before half an hour is spent on the rest."""
    if (quota := CpuQuota.of(1.0)) is None:
        return [
            "Cold starts are left out: control groups, which share out processor time by a"
            " function's memory, are not this user's here."
        ]
    quota.remove()
    return []


def _starts(plan: Plan, out: Path, say: Say, *, quota: bool) -> None:
    """Measure cold starts, by commands of their own: they set what a process has only once."""
    if not quota:
        return
    warm = [f"--warm={plan.warm}", f"--batch-samples={plan.batch_samples}"]
    for module, memory_mb, few in (
        ("bench.lane_starts", plan.function_mb, warm),
        ("bench.cold_starts", plan.process_mb, []),
    ):
        say(f"{module}: {plan.starts} of each")
        path = out / f"{module.removeprefix('bench.').replace('_', '-')}.json"
        few = [f"--starts={plan.starts}", *few, f"--json={path}"]
        command = [sys.executable, "-m", module, *few, "--memory-mb"]
        _run_to_its_end([*command, *map(str, memory_mb)])


def _run_to_its_end(command: list[str]) -> None:
    """Run a command that ends what it started; also if we are interrupted.

    subprocess.run() would kill it, and leave its servers behind.
    """
    with subprocess.Popen(command, cwd=ROOT, stdout=DEVNULL, start_new_session=True) as process:
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    if status:
        raise subprocess.CalledProcessError(status, command)
