"""What experiments came to, as the tables of docs/reliability.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from settings import ROOT
from tests.chaos.figures import Figures, troubles

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- written by ./test-chaos: begin -->", "<!-- written by ./test-chaos: end -->"
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


def write(document: Path, figures: Figures) -> None:
    """Replace what is between the marks of the document."""
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{rendered(figures)}\n{END}{after}")


def rendered(figures: Figures) -> str:
    """Return the tables, and what was not as promised."""
    made = {key: row for key, row in figures["experiments"].items() if row["size"] == "full"}
    parts = []
    if made:
        parts.append("\n".join(_made_by(made)))
    for place, title in TITLES.items():
        rows = [_row(one) for one in made.values() if one["place"] == place]
        if rows:
            parts.append("\n".join([f"**{title}.**\n", HEAD, *rows]))
    if notes := list(_notes(made)):
        parts.append("\n".join(notes))
    if cannot := figures["impossible"].values():
        told = [f"- {one['fault']}: {one['why']}." for one in cannot]
        parts.append("\n".join(["**Not possible on the machine that made these:**\n", *told]))
    if made:
        parts.append(_verdict(figures, made))
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
        if behind := [note["behind"] for note in notes if "behind" in note]:
            yield f"- {one['fault']}: {min(behind)} to {max(behind)} images were accepted after it."
        if idle := sum("nobody_came" in note for note in notes):
            yield f"- {one['fault']}: nobody came to the point in {idle} of {len(notes)} seeds."
        if any("clock_not_stepped" in note for note in notes):
            yield f"- {one['fault']}: without a C compiler, by dating the rows to another time."
        if any("disk_not_mounted" in note for note in notes):
            yield f"- {one['fault']}: by a limit of file size; no file system could be mounted."


def _made_by(made: dict[str, Any]) -> Iterable[str]:
    runs = Counter(f"`{row['command']}`, {row['date']}, {row['machine']}" for row in made.values())
    if len(runs) == 1:
        yield f"{next(iter(runs))}."
    else:
        yield from [f"- {run}: {n} experiments." for run, n in runs.items()]
    if outdated := sum("outdated" in row for row in made.values()):
        yield (
            f"\n**To be made again:** {outdated} of these are of before a row that was finished"
            " twice, or a good image that failed, was seen."
        )


def _verdict(figures: Figures, made: dict[str, Any]) -> str:
    if not (told := troubles(figures | {"experiments": made, "soak": None})):
        return "Nothing was lost or done twice, and no recovery took longer than its bound."
    return "\n".join(["**Not as promised:**\n", *(f"- {one}" for one in told)])


def _soak(soak: dict[str, Any]) -> str:
    lines = [
        f"**A steady load for {soak['minutes']:g} minutes** (`{soak['command']}`, {soak['date']},"
        f" {soak['machine']}): {soak['accepted']:,} images accepted, {soak['done']:,} done,"
        f" {soak['lost']} lost, {soak['duplicated']} duplicated; one worker was recycled"
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
    lines.append(
        "\nA slope is a line through the samples after the first third. A leak under its bound, at"
        " 30 images a second 370 bytes an image, is not told from an allocator's noise."
    )
    lines += [f"\n- Not as promised: {trouble}" for trouble in soak["troubles"]]
    return "\n".join(lines)
