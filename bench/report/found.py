"""What a comparison kept, read back and put together by lane and load."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.cold_starts import Start, read_cold_starts
from bench.comparison.plan import LANES
from bench.lane_starts import LaneStarts, read_batches, read_starts
from bench.load.files import NoRun, read_requests, read_runs
from bench.load.run import Run
from bench.simulation.service_times import BatchTime

Line = dict[str, str]


@dataclass(frozen=True)
class Kept:
    """A run and its images, those of the warm-up left out."""

    run: Run
    folder: Path

    @cached_property
    def lines(self) -> list[Line]:
        """The images, in the order they were due."""
        return read_requests(self.folder)[self.run.warm_up_images :]

    @cached_property
    def done(self) -> list[Line]:
        """Those that were done."""
        return [one for one in self.lines if one["outcome"] == "done" and one["finished_s"]]

    @cached_property
    def committed_ms(self) -> list[float]:
        """From due to committed."""
        return [(float(o["finished_s"]) - float(o["scheduled_s"])) * 1000 for o in self.done]

    @cached_property
    def cpu_ms(self) -> dict[str, float]:
        """Processor time of each part for an image."""
        return {one["part"]: float(one["ms_per_image"]) for one in _lines(self.folder / "cpu.csv")}

    def stage_ms(self, name: str) -> list[float]:
        """Return a stage's times; ``accept_ms`` is from due to the row."""
        if name == "accept_ms":
            return [(float(o["accepted_s"]) - float(o["scheduled_s"])) * 1000 for o in self.done]
        return [float(one[name]) for one in self.done if one[name]]


@dataclass(frozen=True)
class Load:
    """A lane's runs of one scenario, one of each repetition."""

    lane: str
    name: str
    runs: list[Kept]

    @property
    def offered_per_s(self) -> float:
        """Of the schedule: the rate of a load that is named by it, else what the runs say."""
        kind, _, rate = self.name.partition("-")
        if kind == "load":
            return float(rate)
        return sum(one.run.offered_per_s for one in self.runs) / len(self.runs)

    @cached_property
    def committed_ms(self) -> list[float]:
        """From due to committed, of all repetitions."""
        return [ms for one in self.runs for ms in one.committed_ms]

    @property
    def images(self) -> int:
        """Images that were sent, of all repetitions."""
        return sum(one.run.images for one in self.runs)

    @property
    def errors(self) -> int:
        """Images that came to anything but the right answer."""
        return sum(one.run.errors for one in self.runs)

    def stage_ms(self, name: str) -> list[float]:
        """Return a stage's times, of all repetitions."""
        return [ms for one in self.runs for ms in one.stage_ms(name)]


class Found:
    """A comparison's folder.

    Raises:
        NoRun: there is none, or it is not whole.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "plan.json").exists():
            raise NoRun(f"{folder} is no comparison, or not a whole one: `skylane bench compare`")
        self.folder = folder
        self.plan: dict[str, object] = json.loads((folder / "plan.json").read_text())
        by_name: dict[tuple[str, str], list[Kept]] = defaultdict(list)
        for run, where in read_runs(folder / "runs"):
            by_name[run.label, run.scenario.name].append(Kept(run, where))
        self._loads = {key: Load(*key, runs) for key, runs in by_name.items()}

    @property
    def runs(self) -> list[Run]:
        """All runs."""
        return [one.run for load in self._loads.values() for one in load.runs]

    @property
    def lanes(self) -> list[str]:
        """The lanes that were tried."""
        return [lane for lane in LANES if any(key[0] == lane for key in self._loads)]

    def load(self, lane: str, name: str) -> Load | None:
        """Return a lane's runs of a scenario."""
        return self._loads.get((lane, name))

    def loads(self, lane: str) -> list[Load]:
        """Return a lane's steady loads, the lowest first."""
        own = [
            one for (whose, name), one in self._loads.items() if whose == lane and "load-" in name
        ]
        return sorted(own, key=lambda one: one.offered_per_s)

    @cached_property
    def invocations(self) -> list[Line]:
        """Every invocation of the functions, with the repetition that it was in."""
        return [
            {"repetition": path.stem.rpartition("-")[2], **line}
            for path in sorted(self.folder.glob("invocations-*.csv"))
            for line in _lines(path)
        ]

    @cached_property
    def reads(self) -> list[Line]:
        """Requests for results, in the serverless lane."""
        return _all([self.folder / "reads.csv"])

    @cached_property
    def lane_lines(self) -> list[Line]:
        """What else is known of the serverless lane, by repetition."""
        return _all([self.folder / "lane.csv"])

    @cached_property
    def memory_mb(self) -> list[Line]:
        """Resident memory of the on-prem lane's parts, by repetition."""
        return _all([self.folder / "on-prem-memory-mb.csv"])

    @cached_property
    def lane_starts(self) -> list[LaneStarts]:
        """Starts of a worker and of functions."""
        path = self.folder / "lane-starts.json"
        return read_starts(path) if path.exists() else []

    @cached_property
    def batches(self) -> list[BatchTime]:
        """Warm batches of the infer function, of several sizes."""
        path = self.folder / "lane-starts.json"
        return read_batches(path) if path.exists() else []

    @cached_property
    def cold_starts(self) -> list[Start]:
        """Starts of a process that predicts, taken apart."""
        path = self.folder / "cold-starts.json"
        return read_cold_starts(path) if path.exists() else []


def _all(paths: Iterable[Path]) -> list[Line]:
    return [line for path in paths if path.exists() for line in _lines(path)]


def _lines(path: Path) -> list[Line]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
