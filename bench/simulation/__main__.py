"""Predict what a lane does under a load, from what its pieces were measured to take.

    python -m bench.simulation calibrate --runs LOW MODERATE HIGH --cpu CPU.json --out times.json
    python -m bench.simulation compare --times times.json --runs OTHER
    python -m bench.simulation burst --times times.json --lane serverless --rate 100000 --seconds 10

A run is a folder that the load generator wrote, or its requests.csv. CPU.json has, for each run,
the CPU time of each part for an image, in ms: ``[{"api": 2.0, "worker": 3.1, …}, …]``. What a lane
runs on can be set: ``--set hosts=4 cores=8``.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from bench.simulation.arrivals import Floats, Outcomes, poisson
from bench.simulation.calibration import service_times_of
from bench.simulation.compare import Comparison, compare
from bench.simulation.on_prem import OnPrem, simulate_on_prem
from bench.simulation.runs import BadRun, read_run
from bench.simulation.serverless import Serverless, simulate_serverless
from bench.simulation.service_times import (
    BadServiceTimes,
    ServiceTimes,
    read_service_times,
)

REPLICATIONS = 10  # of a run that is compared, each with its own draws
POINTS = 20  # of a burst's course that are shown

Config = TypeVar("Config", OnPrem, Serverless)


def main() -> None:
    """Do what is asked and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("calibrate", help="make service times of runs")
    command.add_argument("--runs", type=Path, nargs="+", required=True, help="lowest load first")
    command.add_argument("--cpu", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(do=_calibrate)

    command = commands.add_parser("compare", help="predict runs, and say how far off that is")
    command.add_argument("--runs", type=Path, nargs="+", required=True)
    command.set_defaults(do=_compare, lane="on-prem")
    _common(command)

    command = commands.add_parser("burst", help="images at a rate for some seconds, then none")
    command.add_argument("--lane", choices=["on-prem", "serverless"], required=True)
    command.add_argument("--rate", type=float, required=True, help="images/s")
    command.add_argument("--seconds", type=float, required=True)
    command.set_defaults(do=_burst)
    _common(command)

    chosen = parser.parse_args()
    try:
        chosen.do(chosen)
    except (BadRun, BadServiceTimes, ValueError) as error:
        sys.exit(str(error))


def simulate(
    lane: str, arrivals_s: Floats, times: ServiceTimes, settings: list[str], seed: int
) -> Outcomes:
    """Simulate a lane, deployed as ``NAME=VALUE`` of each setting says.

    Raises:
        BadServiceTimes: the lane's own are missing.
        ValueError: there is no such setting, or its value does not fit.
    """
    rng = np.random.default_rng(seed)
    if lane == "on-prem":
        return simulate_on_prem(arrivals_s, times, _configured(OnPrem, settings), rng)
    return simulate_serverless(arrivals_s, times, _configured(Serverless, settings), rng)


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--times", type=Path, required=True, help="what calibrate wrote")
    command.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="settings")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--json", type=Path, help="write the figures to this file as well")


def _calibrate(chosen: argparse.Namespace) -> None:
    cpu_ms = TypeAdapter(list[dict[str, float]]).validate_json(chosen.cpu.read_bytes())
    times = service_times_of(chosen.runs, cpu_ms)
    chosen.out.write_text(times.model_dump_json() + "\n")
    print(f"{chosen.out}: {len(times.batches)} batches, {len(times.accept_ms)} images alone")


def _compare(chosen: argparse.Namespace) -> None:
    times = read_service_times(chosen.times)
    figures = []
    for path in chosen.runs:
        run = read_run(path)
        simulated = [
            simulate(chosen.lane, run.scheduled_s, times, chosen.settings, chosen.seed + number)
            for number in range(REPLICATIONS)
        ]
        rng = np.random.default_rng(chosen.seed)
        print(f"{path}: {len(run.done)} images, {_per_s(run.scheduled_s):.3g}/s")
        for name, predicted_ms, measured_ms in (
            ("accepted to committed", [one.latency_ms for one in simulated], run.latency_ms),
            ("scheduled to committed", [one.total_ms for one in simulated], run.total_ms),
        ):
            found = compare(np.concatenate(predicted_ms), measured_ms, rng)
            print(f"  {name}, ms" + "".join(f"\n    {_shown(one)}" for one in found))
            figures += [{"run": str(path), "of": name, **asdict(one)} for one in found]
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


def _burst(chosen: argparse.Namespace) -> None:
    times = read_service_times(chosen.times)
    arrivals_s = poisson(chosen.rate, chosen.seconds, np.random.default_rng(chosen.seed))
    found = simulate(chosen.lane, arrivals_s, times, chosen.settings, chosen.seed)
    at_s = np.linspace(0, max(found.recovered_s, chosen.seconds), POINTS + 1)
    sent = np.searchsorted(arrivals_s, at_s, side="right")
    done = np.searchsorted(np.sort(found.committed_s), at_s, side="right")
    figures: dict[str, Any] = {
        "lane": chosen.lane,
        "images": len(arrivals_s),
        "refused": int((~found.done).sum()),
        "recovered_s": found.recovered_s,
        "total_ms": {
            f"p{q * 100:g}": float(np.quantile(found.total_ms, q)) for q in (0.5, 0.9, 0.99)
        }
        if found.done.any()
        else {},
        "most_environments": {
            name: int(numbers.max()) for name, (_, numbers) in found.environments.items()
        },
        "points": [
            {"at_s": float(at), "sent": int(there), "done": int(gone)}
            for at, there, gone in zip(at_s, sent, done, strict=True)
        ],
    }
    print(json.dumps(figures, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


def _configured(config: type[Config], settings: list[str]) -> Config:
    known = [one.name for one in fields(config)]
    values: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in known:
            raise ValueError(f"no setting {name!r}; there are {', '.join(known)}")
        values[name] = json.loads(value) if value.startswith(("{", "null")) else value
    try:
        return TypeAdapter(config).validate_python(values)
    except ValidationError as error:
        raise ValueError(str(error)) from error


def _per_s(scheduled_s: Floats) -> float:
    return len(scheduled_s) / float(np.ptp(scheduled_s)) if len(scheduled_s) > 1 else 0.0


def _shown(one: Comparison) -> str:
    sure = "" if one.explained else ", more than noise"
    return (
        f"p{one.q * 100:g}: predicted {one.predicted_ms}, measured {one.measured_ms},"
        f" ratio {one.ratio}{sure}"
    )


if __name__ == "__main__":
    main()
