"""What a run says while it goes: a line an epoch as CSV and for TensorBoard."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

METRICS = "metrics.csv"

Log = Callable[[int, dict[str, float]], None]  # (epoch, its figures)


@contextmanager
def logs(folder: Path, epochs_done: int) -> Iterator[Log]:
    """Give a function that logs an epoch's figures to ``folder``.

    What an earlier sitting logged after its last checkpoint, and so beyond ``epochs_done``,
    is dropped: it is about to be done again.
    """
    path = folder / METRICS
    rows: list[Mapping[str, object]] = []
    if path.exists():
        rows += read_rows(path)[:epochs_done]
    writer = SummaryWriter(str(folder), purge_step=epochs_done + 1)

    def log(epoch: int, figures: dict[str, float]) -> None:
        rows.append({"epoch": epoch, **figures})
        write_rows(path, rows)
        for name, figure in figures.items():
            writer.add_scalar(name, figure, epoch)
        writer.flush()

    try:
        yield log
    finally:
        writer.close()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of like keys as CSV, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)
