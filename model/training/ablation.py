"""What helps and what does not: the same short schedule with one thing changed at a time.

    python -m model.training.ablation --data eurosat.zip --out ablation --set 'stages=[[5, 48]]'

Each variant is trained with each seed and judged on the validation split, as it is and under
shift; the test split has no part in choices. A variant that was trained before is not trained
again, so a killed run goes on. Several processes can share --out: each run is done by the first
that comes to it. A run that goes astray has no row, but a file that says so, and ends no other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.data import Dataset, load
from model.errors import (
    AstrayError,
    ConfigError,
    DataError,
    ModelError,
    PredictionError,
    TrainingError,
)
from model.evaluation.metrics import evaluation
from model.evaluation.shifts import SHIFTS
from model.places import check_new_folder, given, held
from model.predictor import checked
from model.reference.predictor import TorchPredictor
from model.training.config import Config, configure
from model.training.device import computes_in_bf16, device
from model.training.lineage import digests
from model.training.progress import read_rows, write_rows
from model.training.state import difference
from model.training.train import train

# Each is one change. What takes away what the recipe has not, or adds what it has, is left out.
VARIANTS: dict[str, dict[str, Any]] = {
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
    "with mixup": {"mixup": 0.2},
    "with CutMix": {"cutmix": 0.25},
}
TABLE, BASE = "ablation.csv", "base.json"
ROW = "row.csv"  # in a run's folder: its row of the table
ASTRAY = "astray.txt"  # or why there is none
LOCK = "lock"  # in a run's folder, for who is about it; above, for who writes what all share
RECIPE = next(iter(VARIANTS))
FIGURES = ("validation_accuracy", *SHIFTS)  # of a row, accuracies


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=given, required=True)
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, … so many of them")
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--set", dest="assignments", action="append", default=[])
    chosen = parser.parse_args()
    try:
        base = configure(chosen.assignments)
        found = ablate(chosen.data, chosen.out, base, chosen.only, range(chosen.seeds))
    except (ModelError, OSError) as error:
        sys.exit(str(error))
    for one in summary(found):
        spread = "" if one.spread is None else f" ± {one.spread:.2%}"
        print(f"{one.variant:<24} {one.accuracy:.2%}{spread}, under shift {one.shifted:.2%}")
    if lost := sorted(chosen.out.glob(f"*/{ASTRAY}")):
        sys.exit("\n".join(f"{path.parent.name}: {path.read_text().strip()}" for path in lost))


def ablate(
    data: Path, out: Path, base: Config, variants: list[str], seeds: range
) -> list[dict[str, str]]:
    """Train and judge every variant with every seed; return and write a row for each.

    A row has ``variant``, ``seed``, ``validation_accuracy`` and the accuracy under each shift.
    A variant that is no change of ``base`` (without teachers that it has not, with mixup that it
    has) is left out, and so is a run that another process is about, or that goes astray. The rows
    are those of all that ``out`` holds.

    Raises:
        TrainingError: ``out`` holds an ablation of another recipe, teacher or data.
        ConfigError: no seed is asked for, or ``base`` has one of its own.
        PlaceError: ``out`` cannot be written to.
        DataError: ``data`` is no data set.
        CheckpointError: a teacher, or the net to start from, does not fit.
    """
    if not seeds:
        raise ConfigError("an ablation takes one seed and more: --seeds 1")
    if base.seed:
        raise ConfigError(f"seed={base.seed} has no place in an ablation, whose seeds are 0, 1, …")
    check_new_folder(out)
    if not data.exists():
        raise DataError(f"{data} does not exist; give a folder or zip of <Class>/<image>")
    dataset = load(data, tile_px=base.tile_px)
    told = {
        "config": asdict(replace(base, seed=0)),
        "digest": dataset.digest,
        "files": digests(base),
        "bf16": computes_in_bf16(device(), base.precision),
    }
    with held(out / LOCK, wait=True):
        _same_base(out / BASE, told)
    rows(out)  # a damaged one is told now, and not after hours
    changing = [one for one in variants if one == RECIPE or _changes(base, one)]
    for variant in sorted(set(variants) - set(changing)):
        print(f"{variant}: so is the recipe", file=sys.stderr)
    for seed in seeds:
        for variant in changing:
            run = out / f"{variant.replace(' ', '-')}-{seed}"
            with held(run / LOCK, wait=False) as mine:
                if not mine:
                    print(f"{run.name}: another process is about it", file=sys.stderr)
                elif not ((run / ROW).exists() or (run / ASTRAY).exists()):
                    config = replace(base, seed=seed, **VARIANTS[variant])
                    try:
                        found = judge(train(dataset, run, config), dataset)
                    except (AstrayError, PredictionError) as error:
                        print(f"{run.name}: {error}", file=sys.stderr)
                        (run / ASTRAY).write_text(f"{error}\n")
                    else:
                        write_rows(run / ROW, [{"variant": variant, "seed": str(seed), **found}])
    with held(out / LOCK, wait=True):  # from the reading on: of two tables, the later one has more
        done = rows(out)
        if done:
            write_rows(out / TABLE, done)
    return done


def _changes(base: Config, variant: str) -> bool:
    has = any(getattr(base, name) for name in VARIANTS[variant])
    return not has if variant.startswith("with ") else has


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of all finished runs in ``folder``, by variant and seed.

    Raises:
        TrainingError: one is damaged.
    """
    found = [_row(path) for path in folder.glob(f"*/{ROW}")]
    return sorted(found, key=lambda row: (_number(row["variant"]), int(row["seed"])))


def _row(path: Path) -> dict[str, str]:
    try:
        (found,) = read_rows(path)
        row = {name: found[name] for name in ("variant", "seed", *FIGURES)}
        int(row["seed"])
        if not all(0 <= float(row[name]) <= 1 for name in FIGURES):
            raise ValueError("an accuracy is none")
    except (ValueError, LookupError, TypeError) as error:
        raise TrainingError(
            f"{path} is damaged, or of an earlier version ({type(error).__name__}: {error}): delete"
            " it, and the net that lies beside it is judged again"
        ) from error
    return row


def _number(variant: str) -> int:
    """Return where a variant stands among all; one that has been renamed since comes last."""
    return list(VARIANTS).index(variant) if variant in VARIANTS else len(VARIANTS)


def _same_base(path: Path, base: dict[str, Any]) -> None:
    """Write what all runs have in common, or hold it to what others wrote first."""
    told = json.dumps(base, indent=2) + "\n"
    if not path.exists():
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(told)
        os.replace(partial, path)
    now = json.loads(told)
    try:
        then = json.loads(path.read_text())
        differs = difference(_flat(then), _flat(now))
    except (ValueError, LookupError, TypeError) as error:
        raise TrainingError(
            f"{path} is damaged, or of an earlier version ({type(error).__name__}: {error}): give"
            " another folder"
        ) from error
    if then != now:
        raise TrainingError(
            f"{path.parent} holds an ablation of another recipe or of other data: {differs}. Go on"
            " as it was begun, or give another folder"
        )


def _flat(base: dict[str, Any]) -> dict[str, object]:
    return {**base["config"], "data": base["digest"], **base["files"], "bf16": base["bf16"]}


def judge(weights: Path, dataset: Dataset) -> dict[str, str]:
    """Return the accuracy on the validation split, as it is and under each shift."""
    predictor = TorchPredictor.open(weights, device=device())
    tiles = dataset.splits["validation"]
    seen = {"validation_accuracy": tiles.pixels}
    seen |= {name: shift(tiles.pixels) for name, shift in SHIFTS.items()}
    return {
        name: str(
            evaluation(
                checked(predictor.predict(pixels), f"{weights}, {name},"),
                *(tiles.classes, dataset.labels),
            ).accuracy
        )
        for name, pixels in seen.items()
    }


@dataclass(frozen=True)
class Tried:
    """What came of a variant: means over its seeds, and standard deviations where there are two."""

    variant: str
    seeds: int
    accuracy: float
    spread: float | None
    gain: float | None  # on the recipe with the same seeds; None for the recipe itself
    gain_spread: float | None
    shifted: float  # mean accuracy over all shifts
    worst: tuple[str, float]  # the shift that costs the most, and the mean accuracy under it


def summary(rows: list[dict[str, str]]) -> list[Tried]:
    """Return what came of each variant.

    A seed gives all variants the same first weights and order of tiles, so differences are taken
    seed by seed.
    """
    right = {(row["variant"], row["seed"]): float(row["validation_accuracy"]) for row in rows}
    found = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        accuracies = [right[variant, row["seed"]] for row in own]
        gains = [
            right[variant, row["seed"]] - right[RECIPE, row["seed"]]
            for row in own
            if variant != RECIPE and (RECIPE, row["seed"]) in right
        ]
        under = {name: statistics.mean(float(row[name]) for row in own) for name in SHIFTS}
        found.append(
            Tried(
                variant=variant,
                seeds=len(own),
                accuracy=statistics.mean(accuracies),
                spread=_spread(accuracies),
                gain=statistics.mean(gains) if gains else None,
                gain_spread=_spread(gains),
                shifted=statistics.mean(under.values()),
                worst=min(under.items(), key=lambda one: one[1]),
            )
        )
    return found


def _spread(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


if __name__ == "__main__":
    main()
