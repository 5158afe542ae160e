"""The training report: what was done, and what came of it, from the files that it left.

    python -m model.training.report --run run --evaluation report --ablation ablation \\
      --out model/report

Reads what `skylane train`, `skylane evaluate --report` and `model.training.ablation` wrote.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.errors import DataError, ModelError
from model.evaluation.plots import DPI, FAINT, SERVED, STYLE, WRONG, axes_of
from model.evaluation.report import METRICS_JSON
from model.places import check_new_folder
from model.reference.checkpoint import About
from model.reference.checkpoint import load as load_checkpoint
from model.training.ablation import TABLE, summary
from model.training.progress import METRICS
from model.training.train import WEIGHTS

TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of the share of tiles that are wrong
CURVES, PAGE = "curves.png", "README.md"
Rows = list[dict[str, str]]


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="of the full schedule")
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--ablation", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    try:
        print(f"wrote {write(chosen.run, chosen.evaluation, chosen.ablation, chosen.out)}")
    except (ModelError, OSError) as error:
        sys.exit(str(error))


def write(run: Path, evaluation: Path, ablation: Path | None, out: Path) -> Path:
    """Write ``README.md`` and ``curves.png`` into ``out`` and return the page's path.

    Raises:
        DataError: what it is written from is not there, or is of different data.
        PlaceError: ``out`` cannot be written to.
    """
    check_new_folder(out)
    for folder, file, by in (
        (run, WEIGHTS, "skylane train"),
        (run, METRICS, "skylane train"),
        (evaluation, METRICS_JSON, "skylane evaluate --report"),
        (ablation, TABLE, "model.training.ablation"),
    ):
        if folder and not (folder / file).exists():
            raise DataError(f"{folder} has no {file}, which `{by}` writes")
    out.mkdir(parents=True, exist_ok=True)
    _, metadata = load_checkpoint(run / WEIGHTS)
    about = About(**metadata)
    epochs = _read(run / METRICS)
    found = json.loads((evaluation / METRICS_JSON).read_text())
    if (found["split"], found["data"]["digest"]) != ("test", about.data["digest"]):
        raise DataError(f"{evaluation} is not of the test split of what {run} was trained on")
    _curves(epochs).savefig(out / CURVES, dpi=DPI, facecolor="white", bbox_inches="tight")
    parts = [
        "# How the model was trained\n\n"
        "Written by `python -m model.training.report` from what the commands left.",
        _made(about, epochs),
        f"![Curves]({CURVES})",
        _measured(found),
    ]
    if ablation:
        parts.append(_ablation(_read(ablation / TABLE)))
    page = out / PAGE
    page.write_text("\n\n".join(parts) + "\n")
    return page


def _made(about: About, epochs: Rows) -> str:
    stages = ", ".join(f"{n} at {side_px} px" for n, side_px in about.recipe["stages"])
    rows = {
        "architecture": about.arch,
        "epochs": f"{len(epochs)}: {stages}",
        "on": f"{about.made['device']}, {about.made['precision']}, torch {about.made['torch']}",
        "time": f"{about.made['elapsed_s'] / 60:.0f} minutes",
        "tiles": ", ".join(f"{n:,} {split}" for split, n in about.data["tiles"].items()),
        "data": f"`{about.data['digest']}`",
        "split": f"`{about.data['split_digest']}`",
    }
    recipe = {name: value for name, value in about.recipe.items() if name not in ("arch", "stages")}
    values = ", ".join(f"`{name}={value}`" for name, value in recipe.items())
    return "## What was done\n\n" + _table(("", ""), rows.items()) + f"\n\nRecipe: {values}"


def _measured(found: dict[str, Any]) -> str:
    lines = [
        (name, f"{one['accuracy']:.2%}", "{:.2%} to {:.2%}".format(*one["interval"]), one["ece"])
        for name, one in {**found["forms"], **found["shifts"]}.items()
    ]
    return "## What came of it\n\nOn the test split, which had no part in training.\n\n" + _table(
        ("", "accuracy", "95 % interval", "ECE"),
        [(*line[:3], f"{line[3]:.4f}") for line in lines],
    )


def _ablation(rows: Rows) -> str:
    seeds = len({row["seed"] for row in rows})
    told = (
        f"## What helped\n\nA short schedule, {seeds} {'seed' if seeds == 1 else 'seeds'}, one"
        " thing changed at a time; on the validation split."
    )
    found = summary(rows)
    if all(spread is None for _, _, spread, _ in found):
        return f"{told}\n\n" + _table(
            ("", "accuracy", "mean under shift"),
            [(variant, f"{right:.2%}", f"{shifted:.2%}") for variant, right, _, shifted in found],
        )
    return f"{told} The spread is the standard deviation over seeds.\n\n" + _table(
        ("", "accuracy", "spread", "mean under shift"),
        [
            (variant, f"{right:.2%}", "" if spread is None else f"{spread:.2%}", f"{shifted:.2%}")
            for variant, right, spread, shifted in found
        ],
    )


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _curves(epochs: Rows) -> Figure:
    figure = Figure(figsize=(8.5, 3))
    numbers = [int(row["epoch"]) for row in epochs]
    left, right = axes_of(figure, 1, 2, 1), axes_of(figure, 1, 2, 2)
    marker = "o" if len(numbers) == 1 else ""  # of one epoch there is no line
    left.plot(
        numbers,
        [float(row["loss"]) for row in epochs],
        color=FAINT,
        marker=marker,
        label="training",
    )
    validation = [float(row["validation_loss"]) for row in epochs]
    left.plot(numbers, validation, color=SERVED, marker=marker, label="validation")
    left.set_title("cross entropy", loc="left", **STYLE)
    left.legend(frameon=False, fontsize=8)
    wrong = [1 - float(row["validation_accuracy"]) for row in epochs]
    right.plot(numbers, wrong, color=WRONG, marker=marker)
    right.set_title("validation tiles wrong", loc="left", **STYLE)
    if min(wrong) > 0:
        right.set_yscale("log")
        ticks = [tick for tick in TICKS if min(wrong) / 2 < tick < max(wrong) * 2]
        right.set_yticks(ticks, [f"{tick:.1%}" for tick in ticks])
        right.set_yticks([], minor=True)
    else:  # of few tiles none may be, which has no logarithm
        right.set_ylim(0, 1.05 * max(*wrong, 0.05))
        right.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    for axes in (left, right):
        axes.set_xlabel("epoch", **STYLE)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(color="#e5e7eb")
    return figure


def _read(path: Path) -> Rows:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
