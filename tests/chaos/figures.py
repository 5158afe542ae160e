"""What experiments came to, as JSON: what is published, and what a run has made of it by now."""

from __future__ import annotations

import json
import os
import platform
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.audit import Outcome

GIB = 2**30
Figures = dict[str, Any]
Row = dict[str, Any]  # of one experiment, its outcomes by their seeds


class Book:
    """Published rows, rows underway, and their file; without a ``path`` there is none.

    A row is published when all of its seeds were made. It replaces one of no more seeds, or any if
    ``fresh``; of a shorter one only what was not as promised is added, so that nothing vanishes.
    """

    def __init__(self, path: Path | None, command: str, size: str, *, fresh: bool = False) -> None:
        self.figures = read(path)
        self._path, self._command, self._size, self._fresh = path, command, size, fresh
        self._shorter: Figures = {}  # rows that are complete, and replaced none of more seeds

    def resume(self) -> None:
        """Go on with the run before, in place of beginning one."""
        self.figures["run"] = self.figures["run"] or _now()

    def begin(self, keys: list[str]) -> None:
        """Begin a run that makes these experiments from their first seed on."""
        self.figures["run"] = _now()
        for key in keys:
            if left := self.figures["underway"].pop(key, None):
                self._add_troubles(key, left)

    def left(self, key: str, seeds: int) -> list[int]:
        """Return the seeds that the run has not made."""
        rows = (self.figures["underway"], self._shorter, self.figures["experiments"])
        made = next((one[key] for one in rows if key in one), None)
        if not made or made.get("run") != self.figures["run"]:
            return list(range(1, seeds + 1))
        return [seed for seed in range(1, seeds + 1) if str(seed) not in made["outcomes"]]

    def open(self, key: str, fault: str, place: str, bound_s: float) -> None:
        """Have a row underway for an experiment."""
        before = self.figures["experiments"].get(key)
        if before and before.get("run") == self.figures["run"]:  # it is to have more seeds
            self.figures["underway"].setdefault(key, before)
        self.figures["underway"].setdefault(key, {
            "fault": fault, "place": place, "bound_s": bound_s, "size": self._size,
            "command": self._command, "date": time.strftime("%Y-%m-%d"), "machine": machine(),
            "run": self.figures["run"], "outcomes": {},
        })  # fmt: skip
        self.figures["impossible"].pop(key, None)

    def take(self, key: str, seed: int, outcome: Outcome) -> None:
        """Write down what a seed came to."""
        self.figures["underway"][key]["outcomes"][str(seed)] = outcome.as_dict()
        self.keep()

    def take_trouble(self, key: str, seed: int, trouble: str) -> None:
        """Write down what went wrong with a seed besides, or before it came to anything."""
        outcomes = self.figures["underway"][key]["outcomes"]
        one = outcomes.setdefault(str(seed), Outcome().as_dict())
        one.setdefault("troubles", []).append(trouble)
        self.keep()

    def publish(self, key: str) -> None:
        """Put a row that is complete where the table takes it from."""
        new, old = self.figures["underway"].pop(key), self.figures["experiments"].get(key)
        if old is None or self._replaces(old, new):
            self.figures["experiments"][key] = new
        else:
            self._shorter[key] = new
            self._add_troubles(key, new)
        self.keep()

    def _replaces(self, old: Row, new: Row) -> bool:
        if new["size"] != "full" and old["size"] == "full":
            return False
        return self._fresh or "outdated" in old or _seeds(new) >= _seeds(old)

    def cannot(self, key: str, fault: str, why: str) -> None:
        """Write down that an experiment is not possible on this machine."""
        self.figures["impossible"][key] = {"fault": fault, "why": why}
        self.keep()

    def troubles(self) -> list[str]:
        """Return all that was not as promised, of this run and of others."""
        return troubles(self.figures)

    def keep(self) -> None:
        """Write the figures, an experiment a line; a file that is half written is never there."""
        if self._path is None:
            return
        head = {name: one for name, one in self.figures.items() if name not in ROWS}
        parts = [json.dumps(head)[:-1]]
        for name in ROWS:
            rows = [f"{json.dumps(k)}: {json.dumps(row)}" for k, row in self.figures[name].items()]
            inner = ",\n".join(rows)
            parts.append(f"{json.dumps(name)}: {{\n{inner}\n}}")
        fresh = self._path.with_suffix(".new")
        fresh.write_text(", ".join(parts) + "}\n")
        fresh.replace(self._path)

    def _add_troubles(self, key: str, row: Row) -> None:
        bad = {
            f"{seed} of {row['run']}": outcome | {"size": row["size"]}
            for seed, outcome in row["outcomes"].items()
            if outcome.get("troubles")
        }
        if bad:
            published = self.figures["experiments"].setdefault(key, row | {"outcomes": {}})
            published["outcomes"] |= bad


ROWS = ("underway", "experiments")
EMPTY: Figures = {"soak": None, "run": "", "impossible": {}, "underway": {}, "experiments": {}}


def read(path: Path | None) -> Figures:
    """Return the figures that were written before, if there are some."""
    try:
        figures: Figures = json.loads(path.read_text()) if path else {}
    except FileNotFoundError:
        figures = {}
    return json.loads(json.dumps(EMPTY)) | figures  # type: ignore[no-any-return]


def troubles(figures: Figures) -> list[str]:
    """Return what was not as promised, of experiments that are complete or not, and of the soak."""
    told = [
        f"{row['fault']}, seed {seed}: {trouble}"
        for name in ROWS
        for row in figures[name].values()
        for seed, outcome in row["outcomes"].items()
        for trouble in outcome.get("troubles", [])
    ]
    return told + ((figures["soak"] or {}).get("troubles") or [])


def machine() -> str:
    """Return what this machine is, in a few words."""
    memory_gib = psutil.virtual_memory().total / GIB
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.machine()}"


def _seeds(row: Row) -> int:
    return sum(seed.isdigit() for seed in row["outcomes"])


def _now() -> str:
    return datetime.now().isoformat(" ")  # nobody starts two within a microsecond
