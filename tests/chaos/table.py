"""What experiments came to, as JSON and as the tables of docs/reliability.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from settings import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- written by ./test-chaos: begin -->", "<!-- written by ./test-chaos: end -->"
GIB = 2**30
TITLES = {
    "on-prem": "On-prem, where work counts as left lying after 2 s",
    "defaults": "On-prem, with all settings as they are by default",
    "whole": "`./run` as a whole",
    "serverless": "The serverless lane, as far as it runs on one machine",
}
HEAD = (
    "| fault | seeds | accepted | done | failed | lost | duplicated | slowest recovery | bound |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)

Figures = dict[str, Any]


def machine() -> str:
    """Return what this machine is, in a few words."""
    memory_gib = psutil.virtual_memory().total / GIB
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.machine()}"


def read(path: Path) -> Figures:
    """Return the figures that were written before, if there are some."""
    try:
        figures: Figures = json.loads(path.read_text())
    except FileNotFoundError:
        figures = {}
    return {"experiments": {}, "soak": None} | figures


def keep(path: Path, figures: Figures) -> None:
    """Write the figures, an experiment a line."""
    head = {name: one for name, one in figures.items() if name != "experiments"}
    made = [
        f"{json.dumps(name)}: {json.dumps(one)}" for name, one in figures["experiments"].items()
    ]
    inner = ",\n".join(made)
    path.write_text(f'{json.dumps(head)[:-1]}, "experiments": {{\n{inner}\n}}}}\n')


def write(path: Path, document: Path, figures: Figures) -> None:
    """Write the figures, and replace what is between the marks of the document."""
    keep(path, figures)
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{rendered(figures)}\n{END}{after}")


def rendered(figures: Figures) -> str:
    """Return the tables, and what was not as promised."""
    made = figures["experiments"]
    parts = []
    if made:
        parts.append(f"`{figures['command']}`, {figures['date']}, {figures['machine']}.")
    for place, title in TITLES.items():
        rows = [_row(one) for one in made.values() if one["place"] == place]
        if rows:
            parts.append("\n".join([f"**{title}.**\n", HEAD, *rows]))
    if notes := list(_notes(made)):
        parts.append("\n".join(notes))
    if made:
        parts.append(_verdict(made))
    if figures["soak"]:
        parts.append(_soak(figures["soak"]))
    return "\n" + "\n\n".join(parts) + "\n"


def _row(one: dict[str, Any]) -> str:
    outcomes = list(one["outcomes"].values())
    sums = [
        f"{sum(outcome[name] for outcome in outcomes):,}"
        for name in ("accepted", "done", "failed", "lost", "duplicated")
    ]
    slowest_s = max((outcome["slowest_s"] for outcome in outcomes), default=0.0)
    cells = [
        one["fault"],
        str(len(outcomes)),
        *sums,
        f"{slowest_s:.1f} s",
        f"{one['bound_s']:.0f} s",
    ]
    return f"| {' | '.join(cells)} |"


def _notes(made: dict[str, Any]) -> Iterable[str]:
    """Yield what some experiments found besides."""
    for one in made.values():
        notes = [outcome.get("notes", {}) for outcome in one["outcomes"].values()]
        if ended := [note["ended_after_s"] for note in notes if "ended_after_s" in note]:
            yield f"- {one['fault']}: they had ended within {max(ended):.1f} s."
        if waited := [note["neighbours_s"] for note in notes if "neighbours_s" in note]:
            yield f"- {one['fault']}: its neighbours were done within {max(waited):.1f} s."
        if idle := sum("nobody_came" in note for note in notes):
            yield f"- {one['fault']}: nobody came to the point in {idle} of {len(notes)} seeds."


def _verdict(made: dict[str, Any]) -> str:
    troubles = [
        f"- {one['fault']}, seed {seed}: {trouble}"
        for one in made.values()
        for seed, outcome in one["outcomes"].items()
        for trouble in outcome.get("troubles", [])
    ]
    if not troubles:
        return "Nothing was lost or done twice, and no recovery took longer than its bound."
    return "\n".join(["**Not as promised:**\n", *troubles])


def _soak(soak: dict[str, Any]) -> str:
    lines = [
        f"**A steady load for {soak['minutes']:g} minutes** (`{soak['command']}`, {soak['date']},"
        f" {soak['machine']}): {soak['accepted']:,} images accepted, {soak['done']:,} done,"
        f" {soak['lost']} lost, {soak['duplicated']} duplicated; workers were recycled"
        f" {soak['recycled']} times.\n",
        "| process | memory at first | at the end | slope | open files | bound of the slope |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, one in soak["processes"].items():
        slope = one["slope_mb_per_h"]
        told = "too short to say" if slope is None else f"{slope:+.1f} MB/h"
        lines.append(
            f"| {name} | {one['first_mb']:.0f} MB | {one['last_mb']:.0f} MB |"
            f" {told} | {one['files_first']} to {one['files_last']} |"
            f" {one['slope_bound_mb_per_h']:.0f} MB/h |"
        )
    for name, (first, last) in soak["connections"].items():
        lines.append(f"\nConnections to {name}: {first} at first, {last} at the end.")
    lines += [f"\n- Not as promised: {trouble}" for trouble in soak["troubles"]]
    return "\n".join(lines)
