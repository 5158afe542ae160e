"""What helps and what does not: the same short schedule with one thing changed at a time.

    python -m model.training.ablation --data eurosat.zip --out ablation --seeds 3

Each variant is trained with each seed and judged on the validation split, as it is and under
shift; the test split has no part in choices. A variant that was trained before is not trained
again, so a killed run goes on. Several processes can share --out, as pays on a GPU, which waits
for Python with a net this small: each run is done by the first that comes to it.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import json
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from model.data import Dataset, load
from model.errors import DataError, ModelError, TrainingError
from model.evaluation.metrics import evaluation
from model.evaluation.shifts import SHIFTS
from model.places import check_new_folder
from model.reference.predictor import TorchPredictor
from model.training.config import Config, configure
from model.training.device import computes_in_bf16, device
from model.training.progress import write_rows
from model.training.train import digests, train

# Each is one change; one that changes nothing of the recipe is left out.
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
ROW, LOCK = "row.csv", "lock"  # in a run's folder: its row of the table; who holds it, runs it


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
        found = ablate(chosen.data, chosen.out, base, chosen.only, range(chosen.seeds))
    except (ModelError, OSError) as error:
        sys.exit(str(error))
    for variant, accuracy, spread, shifted in summary(found):
        around = "" if spread is None else f" ± {spread:.2%}"
        print(f"{variant:<24} {accuracy:.2%}{around}, under shift {shifted:.2%}")


def ablate(
    data: Path, out: Path, base: Config, variants: list[str], seeds: range
) -> list[dict[str, str]]:
    """Train and judge every variant with every seed; return and write a row for each.

    A row has ``variant``, ``seed``, ``validation_accuracy`` and the accuracy under each shift.
    A variant that changes nothing of ``base`` (teachers it has not) is left out, and so is a
    run that another process is about. The rows are those of all that ``out`` holds.

    Raises:
        TrainingError: ``out`` holds an ablation of another recipe, teacher or data.
        PlaceError: ``out`` cannot be written to.
        DataError: ``data`` is no data set.
        CheckpointError: a teacher, or the net to start from, does not fit.
    """
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
    _same_base(out / BASE, told)
    for seed in seeds:
        for variant in variants:
            config = replace(base, seed=seed, **VARIANTS[variant])  # type: ignore[arg-type]
            if VARIANTS[variant] and config == replace(base, seed=seed):
                print(f"{variant}: the recipe has none", file=sys.stderr)
                continue
            run = out / f"{variant.replace(' ', '-')}-{seed}"
            with _claimed(run) as claimed:
                if not claimed or (run / ROW).exists():
                    continue
                weights = train(dataset, run, config)
                row = {"variant": variant, "seed": str(seed), **judge(weights, dataset)}
                write_rows(run / ROW, [row])
    found = rows(out)
    if found:
        write_rows(out / TABLE, found)
    return found


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of all finished runs in ``folder``, by variant and seed."""
    found = [
        row for path in folder.glob(f"*/{ROW}") for row in csv.DictReader(path.open(newline=""))
    ]
    return sorted(found, key=lambda row: (_number(row["variant"]), int(row["seed"])))


def _number(variant: str) -> int:
    """Return where a variant stands among all; one that has been renamed since comes last."""
    return list(VARIANTS).index(variant) if variant in VARIANTS else len(VARIANTS)


@contextmanager
def _claimed(run: Path) -> Iterator[bool]:
    """Hold a run for this process, and say whether it could be had. A kill gives it back."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _same_base(path: Path, base: dict[str, object]) -> None:
    """Write what all runs have in common, or hold it to what others wrote first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = json.dumps(base, indent=2) + "\n"
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(told)
    with suppress(FileExistsError):
        os.link(partial, path)  # which, unlike a renaming, leaves what is there
    partial.unlink()
    if path.read_text() != told:
        raise TrainingError(
            f"{path.parent} holds an ablation of another recipe or of other data ({path.name} says"
            " which); give another folder"
        )


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
