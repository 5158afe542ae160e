"""The training report: what was done, and what came of it, from the files that it left.

    python -m model.training.report --run teacher --run run --evaluation evaluation \\
      --ablation ablation --out model/report

Reads what `skylane train`, `skylane evaluate --report` and `model.training.ablation` wrote.
The last run is the one that was evaluated (by `--checkpoint`), those before it taught it or are its
start. Their figures are copied beside the page.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.errors import DataError, ModelError, PlaceError
from model.evaluation.plots import DPI, FAINT, SERVED, STYLE, WRONG, axes_of
from model.evaluation.report import METRICS_JSON
from model.places import check_new_folder, given
from model.reference.checkpoint import About, file_digest, read
from model.training.ablation import BASE, TABLE, summary
from model.training.ablation import rows as ablation_rows
from model.training.progress import METRICS, read_rows, write_rows
from model.training.train import WEIGHTS

TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of the share of tiles that are wrong
CURVES, PAGE, ABLATION_BASE = "curves.png", "README.md", "ablation.json"
TITLE = "# How the model was trained"
Rows = list[dict[str, str]]


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", dest="runs", type=Path, required=True, action="append")
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--ablation", type=Path)
    parser.add_argument("--out", type=given, required=True)
    chosen = parser.parse_args()
    try:
        print(f"wrote {write(chosen.runs, chosen.evaluation, chosen.ablation, chosen.out)}")
    except (ModelError, OSError) as error:
        sys.exit(str(error))


def write(runs: list[Path], evaluation: Path, ablation: Path | None, out: Path) -> Path:
    """Write ``README.md``, ``curves.png`` and the figures into ``out``; return the page's path.

    Raises:
        DataError: what it is written from is not there, or does not belong together.
        CheckpointError: a run's weights are damaged, or say nothing of themselves.
        PlaceError: ``out`` cannot be written to.
    """
    check_new_folder(out)
    for folder, file, by in (
        *((run, file, "skylane train") for run in runs for file in (WEIGHTS, METRICS)),
        (evaluation, METRICS_JSON, "skylane evaluate --report"),
        (ablation, BASE, "model.training.ablation"),
    ):
        if folder and not (folder / file).exists():
            raise DataError(f"{folder} has no {file}, which `{by}` writes")
    names = [run.resolve().name for run in runs]
    if len(set(names)) < len(names) or Path(TABLE).stem in names:
        raise DataError(
            f"runs are told apart by their folders' names, and none is {Path(TABLE).stem}:"
            f" {', '.join(names)}"
        )
    page = out / PAGE
    if page.exists() and not page.read_bytes().startswith(TITLE.encode()):
        raise PlaceError(f"{page} is there, and no report of this kind: give another folder")
    abouts = [read(run / WEIGHTS)[1] for run in runs]
    digests = {file_digest(run / WEIGHTS): name for run, name in zip(runs, names, strict=True)}
    epochs, made = {}, []
    for name, run, about in zip(names, runs, abouts, strict=True):
        with _sound(run, "train into another folder"):
            epochs[name] = _epochs(run)
            made.append(_made(name, about, epochs[name], digests))
    # Who does not say whether the splits were kept apart did so if all are runs on these data,
    # from and by nothing but each other.
    used = {digest for about in abouts for digest in about.made["files"].values()}
    known = used <= digests.keys() and all(about.data == abouts[-1].data for about in abouts)
    apart = abouts[-1].made.get("kept_apart", known)
    with _sound(evaluation / METRICS_JSON, "`skylane evaluate --report` makes it anew"):
        found = json.loads((evaluation / METRICS_JSON).read_text())
        measured = _measured(found, apart=apart)
        of = found["split"], found["data"]["digest"], digests.get(found["checkpoint"])
    if of[:2] != ("test", abouts[-1].data["digest"]):
        raise DataError(f"{evaluation} is not of the test split of what {runs[-1]} was trained on")
    if of[2] != names[-1]:
        raise DataError(
            f"{evaluation} is not of {runs[-1] / WEIGHTS};"
            " `skylane evaluate --checkpoint` makes one that is"
        )
    _check_lineage(runs, abouts)
    tried, helped = _helped(ablation, abouts[-1]) if ablation else ([], "")

    out.mkdir(parents=True, exist_ok=True)
    for name, rows in epochs.items():
        write_rows(out / f"{name}.csv", rows)
    _curves(epochs).savefig(out / CURVES, dpi=DPI, facecolor="white", bbox_inches="tight")
    parts = [
        f"{TITLE}\n\nWritten by `python -m model.training.report` from what the commands left.",
        measured,
        "## What was done",
        *made,
        f"![Curves]({CURVES})",
    ]
    if ablation:
        write_rows(out / TABLE, tried)
        shutil.copyfile(ablation / BASE, out / ABLATION_BASE)
        parts.append(helped)
    page.write_text("\n\n".join(parts) + "\n")
    return page


def _check_lineage(runs: list[Path], abouts: list[About]) -> None:
    """Raise ``DataError`` unless each run but the last taught a later one, or is its start."""
    for number, run in enumerate(runs[:-1]):
        used = {one for about in abouts[number + 1 :] for one in about.made["files"].values()}
        if file_digest(run / WEIGHTS) not in used:
            raise DataError(
                f"{run} neither taught nor began a run that is given after it; the last is the one"
                " that was evaluated"
            )


@contextmanager
def _sound(place: Path, advice: str) -> Iterator[None]:
    """Raise ``DataError`` where what is read in ``place`` is not what our commands write."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{place} is damaged, or of an earlier version ({type(error).__name__}: {error}):"
            f" {advice}"
        ) from error


def _epochs(run: Path) -> Rows:
    """Return what was logged of a run, of which every figure is one."""
    rows = read_rows(run / METRICS)
    for row in rows:
        for column in ("epoch", "loss", "validation_loss", "validation_accuracy"):
            float(row[column])
    return rows


def _helped(ablation: Path, about: About) -> tuple[Rows, str]:
    """Return the rows of an ablation, and what they tell, if it is of a run's data."""
    with _sound(ablation, "make it anew, in another folder"):
        base = json.loads((ablation / BASE).read_text())
        rows, same = ablation_rows(ablation), base["digest"] == about.data["digest"]
        told = _tried(rows, base["config"])
    if not rows:
        raise DataError(f"{ablation} has no run that is finished")
    if not same:
        raise DataError(f"{ablation} is of other data than the runs")
    return rows, told


def _made(name: str, about: About, epochs: Rows, digests: dict[str, str]) -> str:
    """Tell of a run. ``digests`` has those that are told of, by their weights' SHA-256."""
    last, planned = epochs[-1], sum(n for n, _ in about.recipe["stages"])
    if len(epochs) != planned:
        raise ValueError(f"{METRICS} has {len(epochs)} epochs, of {planned} that {WEIGHTS} is of")
    origins = [
        digests.get(digest, f"`{path}`, which is not told of here")
        for path, digest in about.made["files"].items()
    ]
    if about.recipe["start"] == "imagenet" or not origins:
        origins.insert(0, about.recipe["start"])
    rows = {
        "architecture": about.arch,
        "from": ", ".join(origins),
        "epochs": f"{len(epochs)}: {_stages(about.recipe)}",
        "on": f"{about.made['device']}, {about.made['precision']}, torch {about.made['torch']}",
        "time": f"{about.made['elapsed_s'] / 60:.1f} min",
        "tiles": ", ".join(f"{n:,} {split}" for split, n in about.data["tiles"].items()),
        "right at the end": f"{float(last['validation_accuracy']):.2%} of the validation split",
        "data": f"`{about.data['digest']}`",
        "split": f"`{about.data['split_digest']}`",
    }
    told = _recipe(about.recipe, "arch", "stages")
    return f"### {name}\n\n{_table(('', ''), rows.items())}\n\nRecipe: {told}"


def _recipe(recipe: dict[str, Any], *but: str) -> str:
    return ", ".join(
        f"`{name}={_value(value)}`" for name, value in recipe.items() if name not in but
    )


def _stages(recipe: dict[str, Any]) -> str:
    return ", ".join(f"{n} at {side_px} px" for n, side_px in recipe["stages"])


def _value(value: object) -> object:
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _measured(found: dict[str, Any], *, apart: bool) -> str:
    lines = [
        (name, f"{one['accuracy']:.2%}", "{:.2%} to {:.2%}".format(*one["interval"]), one["ece"])
        for name, one in {**found["forms"], **found["shifts"]}.items()
    ]
    told = (
        "On the test split, which had no part in training."
        if apart
        else "On the test split of the last run's data. Whether what it began with, or learned"
        " from, had seen some of its tiles is not known here."
    )
    return f"## What came of it\n\n{told}\n\n" + _table(
        ("", "accuracy", "95 % interval", "ECE"),
        [(*line[:3], f"{line[3]:.4f}") for line in lines],
    )


def _tried(rows: Rows, recipe: dict[str, Any]) -> str:
    return (
        f"## What helped\n\nBy `python -m model.training.ablation`: {recipe['arch']} on a schedule"
        f" of {_stages(recipe)}, one thing changed at a time; on the validation split. ± is the"
        " standard deviation over seeds. What is gained on the recipe is taken seed by seed, over"
        " those that both have.\n\n"
        f"The recipe here: {_recipe(recipe, 'arch', 'stages', 'seed', 'save_every')}\n\n"
    ) + _table(
        ("", "seeds", "accuracy", "points gained", "mean under shift", "under the worst"),
        [
            (
                one.variant,
                one.seeds,
                f"{one.accuracy:.2%}{_around(one.spread)}",
                "" if one.gain is None else f"{100 * one.gain:+.2f}{_around(one.gain_spread)}",
                f"{one.shifted:.2%}",
                f"{one.worst[1]:.2%} ({one.worst[0]})",
            )
            for one in summary(rows)
        ],
    )


def _around(spread: float | None) -> str:
    return "" if spread is None else f" ± {100 * spread:.2f}"


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _curves(runs: dict[str, Rows]) -> Figure:
    """Draw the last run's losses, and for each run the validation tiles that it gets wrong."""
    figure = Figure(figsize=(8.5, 3))
    left, right = axes_of(figure, 1, 2, 1), axes_of(figure, 1, 2, 2)
    lowest, highest = 1.0, 0.0
    for name, epochs in runs.items():
        numbers = [int(row["epoch"]) for row in epochs]
        marker = "o" if len(numbers) == 1 else ""  # of one epoch there is no line
        last = name == list(runs)[-1]
        if last:
            for column, told, color in (
                ("loss", "training", FAINT),
                ("validation_loss", "validation", SERVED),
            ):
                losses = [float(row[column]) for row in epochs]
                left.plot(numbers, losses, color=color, marker=marker, label=told)
        wrong = [1 - float(row["validation_accuracy"]) for row in epochs]
        lowest, highest = min(lowest, *wrong), max(highest, *wrong)
        style = {"color": WRONG} if last else {"alpha": 0.6, "lw": 1}
        right.plot(numbers, wrong, marker=marker, label=name, **style)
    left.set_title(f"{list(runs)[-1]}: cross entropy", loc="left", **STYLE)
    left.legend(frameon=False, fontsize=8)
    right.set_title("validation tiles wrong", loc="left", **STYLE)
    if len(runs) > 1:
        right.legend(frameon=False, fontsize=8)
    if lowest > 0:
        right.set_yscale("log")
        ticks = [tick for tick in TICKS if lowest / 2 < tick < highest * 2]
        right.set_yticks(ticks, [f"{tick:.1%}" for tick in ticks])
        right.set_yticks([], minor=True)
    else:  # of few tiles none may be, which has no logarithm
        right.set_ylim(0, 1.05 * max(highest, 0.05))
        right.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    for axes in (left, right):
        axes.set_xlabel("epoch", **STYLE)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(color="#e5e7eb")
    return figure


if __name__ == "__main__":
    main()
