"""Twice as much as can be done: what becomes of those who are let in, and of memory.

    python -m bench.overload

Measures the capacity of a stack for single uploads that wait for nothing, then offers so many
times that, open loop: each request goes when it is due, and who is refused does not come back.
The bound for those who are let in follows from the limit: an image waits until all that were let
in before it are done, so for the limit divided by the capacity, and half as long again for chance.
A stack that is slower under overload than at its capacity misses it. The load is made on the same
machine, and takes its part of it: that counts against the stack. Exits with 1 if p99 is beyond the
bound, if anyone was neither done nor refused for overload, or if the API's memory grew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.load.arrivals import Constant, Poisson
from bench.load.drive import drive
from bench.load.run import Run
from bench.load.scenario import TILES, Scenario
from bench.load.target import Target
from bench.stack import Running, running_stack
from bench.uploads import at_least_one
from local.interrupts import interruptible

MAX_QUEUED = 1000
SECONDS, CAPACITY_S = 60.0, 10.0
CAPACITY_PER_S = 2000.0  # offered to find the capacity: more than any such machine does
LOOK_EVERY_S = 1.0
CHANCE = 1.5
# From the second third of the run to its last, 20 s: what is kept of the requests in between. Of
# 400 a second, let in or refused, this is one kB each, less than a tile. Where nothing is kept, the
# API grows by less than 1 MB (bench/figures/overload.json).
GROWS_MOST_MB = 8.0
WATCHED = ("api", "worker", "redis", "sweep", "flower")


@dataclass
class Sample:
    """Resident memory of each part's largest process in MB, at a time of the run."""

    at_s: float
    memory_mb: dict[str, float]


@interruptible()
def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of overload")
    parser.add_argument("--capacity-seconds", type=float, default=CAPACITY_S, help="to measure it")
    parser.add_argument("--times", type=float, default=2.0, help="the capacity, offered")
    parser.add_argument("--max-queued", type=at_least_one, default=MAX_QUEUED)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()
    with running_stack(SKYLANE_MAX_QUEUED=str(chosen.max_queued)) as stack:
        target = Target(stack.url, database_url=stack.database_url)
        drive(_scenario("warm-up", Constant(kind="constant", rate_per_s=20), 2), target)
        # Full all the time, and no fuller than the limit: what is finished is the capacity.
        full, _ = drive(
            _scenario(
                "capacity",
                Constant(
                    kind="constant", rate_per_s=_enough(chosen.max_queued, chosen.capacity_seconds)
                ),
                chosen.capacity_seconds,
            ),
            target,
        )
        capacity = full.done_per_s
        offered = chosen.times * capacity
        with watched(stack) as samples:
            run, _ = drive(
                _scenario("overload", Poisson(kind="poisson", rate_per_s=offered), chosen.seconds),
                target,
            )
    figures = _figures(run, samples, capacity, offered, chosen.max_queued)
    _tell(figures)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    if missed := amiss(figures):
        sys.exit("\n".join(missed))


def amiss(figures: dict[str, Any]) -> list[str]:
    """Return what was not as it should be, in words."""
    found = []
    admitted_ms, bound_ms = figures["admitted_ms"], figures["bound_ms"]
    slow_ms = admitted_ms["p99"] or admitted_ms["worst"]  # of a few images nobody tells a p99
    if slow_ms is None:
        found.append("missed: nobody was let in and done")
    elif slow_ms > bound_ms:
        found.append(f"missed: p99 {slow_ms / 1000:.2f} s, bound {bound_ms / 1000:.2f} s")
    other_codes = set(figures["codes"]) - {"overloaded"}
    other_outcomes = set(figures["outcomes"]) - {"done", "refused"}
    if other_codes or any(figures["outcomes"][one] for one in other_outcomes):
        found.append(f"amiss: {figures['outcomes']}, {figures['codes']}")
    grew_mb = figures["memory_mb"]["api"].get("grew", 0.0)
    if grew_mb > GROWS_MOST_MB:
        found.append(f"missed: the API grew by {grew_mb:.1f} MB, bound {GROWS_MOST_MB:.1f} MB")
    return found


@contextmanager
def watched(stack: Running) -> Iterator[list[Sample]]:
    """Look at the stack's memory for as long as the ``with`` lasts."""
    samples: list[Sample] = []
    over = threading.Event()
    began_s = time.monotonic()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            samples.append(Sample(round(time.monotonic() - began_s, 1), stack.memory_mb()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _enough(max_queued: int, seconds: float) -> float:
    """Return a rate that fills the queue at once and keeps it full, on a smaller machine too."""
    return min(CAPACITY_PER_S, 10 * max_queued / seconds)


def _scenario(name: str, arrivals: Constant | Poisson, seconds: float) -> Scenario:
    return Scenario(name=name, duration_s=seconds, arrivals=arrivals, images=TILES, timeout_s=60)


def _figures(
    run: Run, samples: list[Sample], capacity: float, offered: float, max_queued: int
) -> dict[str, Any]:
    told = {one.q: one.value for one in run.accepted_to_committed.percentiles}
    answered = {one.q: one.value for one in run.answered.percentiles}
    bound_ms = 1000 * CHANCE * max_queued / max(capacity, 1e-9)
    return {
        "capacity_per_s": capacity,
        "offered_per_s": offered,
        "done_per_s": run.done_per_s,
        "images": run.images,
        "outcomes": run.outcomes,
        "codes": run.codes,
        "refused_share": run.codes.get("overloaded", 0) / run.images,
        "max_queued": max_queued,
        "admitted_ms": {
            "p50": told[0.5],
            "p99": told[0.99],
            "worst": run.accepted_to_committed.worst,
        },
        "answered_ms": {"p50": answered[0.5], "p99": answered[0.99]},
        "bound_ms": bound_ms,
        "generator": run.generator.bottleneck,
        "memory_mb": {part: _memory(samples, part) for part in WATCHED},
        "samples": [asdict(one) for one in samples],
    }


def _memory(samples: list[Sample], part: str) -> dict[str, float]:
    """Return a part's memory once it is full, at the end, and by how much it grew in between."""
    mb = [one.memory_mb[part] for one in samples if one.memory_mb[part]]
    if len(mb) < 3:
        return {}
    third = len(mb) // 3
    middle, last = statistics.median(mb[third : 2 * third]), statistics.median(mb[2 * third :])
    return {"middle": middle, "last": last, "grew": last - middle, "most": max(mb)}


def _tell(figures: dict[str, Any]) -> None:
    print(
        f"capacity {figures['capacity_per_s']:.0f} images/s; offered"
        f" {figures['offered_per_s']:.0f}, done {figures['done_per_s']:.0f},"
        f" refused {figures['refused_share']:.0%} of {figures['images']}"
    )
    admitted = {name: ms for name, ms in figures["admitted_ms"].items() if ms is not None}
    print(
        "let in, accepted to committed: "
        + ", ".join(f"{name} {ms / 1000:.2f} s" for name, ms in admitted.items())
        + f"; bound {figures['bound_ms'] / 1000:.2f} s (at most {figures['max_queued']} unfinished)"
    )
    print(f"outcomes: {figures['outcomes']}; codes: {figures['codes']}")
    for part, mb in figures["memory_mb"].items():
        if mb:
            print(
                f"resident, {part}: {mb['middle']:.0f} MB in the second third, {mb['last']:.0f} in"
                f" the last ({mb['grew']:+.1f}); most {mb['most']:.0f}"
            )
    if figures["generator"]:
        print(f"the load was made badly: {figures['generator']}")


if __name__ == "__main__":
    main()
