"""What helps and what does not: the same short schedule with one thing changed at a time.

    python -m model.training.ablation --data eurosat.zip --out ablation --seeds 3

Each variant is trained with each seed and judged on the validation split, as it is and under
shift; the test split has no part in choices. A variant that was trained before is not trained
again, so a killed run goes on. Processes that each do other variants (--only) can share --out:
a small net leaves most of a GPU idle.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import sys
from dataclasses import asdict, replace
from pathlib import Path

from model.data import Dataset, load
from model.errors import DataError, ModelError, TrainingError
from model.evaluation.metrics import evaluation
from model.evaluation.shifts import SHIFTS
from model.places import check_new_folder
from model.reference.predictor import TorchPredictor
from model.training.config import Config, configure
from model.training.device import device
from model.training.progress import write_rows
from model.training.train import train

# Each is one change. What the recipe has not is not taken from it again.
VARIANTS: dict[str, dict[str, object]] = {
    "the recipe": {},
    "without colour": {"brightness": 0.0, "contrast": 0.0},
    "without softening": {"soften": 0.0},
    "without JPEG": {"jpeg": 0.0},
    "without shifts": {"shift_px": 0},
    "without label smoothing": {"label_smoothing": 0.0},
    "without averaging": {"ema_decay": 0.0},
    "without mixup": {"mixup": 0.0},
    "without CutMix": {"cutmix": 0.0},
    "without teachers": {"teachers": ()},
}
TABLE, BASE = "ablation.csv", "base.json"
ROW = "row.csv"  # of the table, in the folder of the run that it is of


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--set", dest="assignments", action="append", default=[])
    chosen = parser.parse_args()
    try:
        base = configure(chosen.assignments)
        rows = ablate(chosen.data, chosen.out, base, chosen.only, range(chosen.seeds))
    except (ModelError, OSError) as error:
        sys.exit(str(error))
    for variant, accuracy, spread, shifted in summary(rows):
        around = "" if spread is None else f" ± {spread:.2%}"
        print(f"{variant:<24} {accuracy:.2%}{around}, under shift {shifted:.2%}")


def ablate(
    data: Path, out: Path, base: Config, variants: list[str], seeds: range
) -> list[dict[str, str]]:
    """Train and judge every variant with every seed; return and write a row for each.

    A row has ``variant``, ``seed``, ``validation_accuracy`` and the accuracy under each shift.
    A variant that changes nothing of ``base`` (teachers it has not) is left out. The rows
    are those of all that ``out`` holds, whoever made it.

    Raises:
        TrainingError: ``out`` holds an ablation of another recipe or of other data.
        PlaceError: ``out`` cannot be written to.
    """
    check_new_folder(out)
    if not data.exists():
        raise DataError(f"{data} does not exist; give a folder or zip of <Class>/<image>")
    dataset = load(data, tile_px=base.tile_px)
    _same_base(out / BASE, {"config": asdict(replace(base, seed=0)), "digest": dataset.digest})
    for seed in seeds:
        for variant in variants:
            config = replace(base, seed=seed, **VARIANTS[variant])  # type: ignore[arg-type]
            same = bool(VARIANTS[variant]) and config == replace(base, seed=seed)
            run = out / f"{variant.replace(' ', '-')}-{seed}"
            if same or (run / ROW).exists():
                continue
            weights = train(dataset, run, config)
            row = {"variant": variant, "seed": str(seed), **judge(weights, dataset)}
            write_rows(run / ROW, [row])
    rows = [row for path in out.glob(f"*/{ROW}") for row in csv.DictReader(path.open(newline=""))]
    rows.sort(key=lambda row: (list(VARIANTS).index(row["variant"]), int(row["seed"])))
    if rows:
        write_rows(out / TABLE, rows)
    return rows


def _same_base(path: Path, base: dict[str, object]) -> None:
    told = json.dumps(base, indent=2) + "\n"
    if path.exists() and path.read_text() != told:
        raise TrainingError(
            f"{path.parent} holds an ablation of another recipe or of other data ({path.name} says"
            " which); give another folder"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(told)
    os.replace(partial, path)


def judge(weights: Path, dataset: Dataset) -> dict[str, str]:
    """Return the accuracy on the validation split, as it is and under each shift."""
    predictor = TorchPredictor.open(weights, device=device())
    tiles = dataset.splits["validation"]
    seen = {"validation_accuracy": tiles.pixels}
    seen |= {name: shift(tiles.pixels) for name, shift in SHIFTS.items()}
    return {
        name: str(evaluation(predictor.predict(pixels), tiles.classes, dataset.labels).accuracy)
        for name, pixels in seen.items()
    }


def summary(rows: list[dict[str, str]]) -> list[tuple[str, float, float | None, float]]:
    """Return for each variant its mean accuracy, its spread, and the mean of all shifts.

    The spread is the standard deviation over seeds; None where there is one, which has none.
    """
    found = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        accuracies = [float(row["validation_accuracy"]) for row in own]
        shifted = [float(row[name]) for row in own for name in SHIFTS]
        spread = statistics.stdev(accuracies) if len(own) > 1 else None
        found.append((variant, statistics.mean(accuracies), spread, statistics.mean(shifted)))
    return found


if __name__ == "__main__":
    main()
