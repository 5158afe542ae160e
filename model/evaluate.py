"""How right a model is, class by class, on tiles decoded as in serving."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.artefact import Artefact
from model.data import Tiles, load
from model.images import Pixels

BATCH = 32
Z_95 = 1.959964  # of the normal distribution, for 95 % intervals


@dataclass(frozen=True)
class Evaluation:
    """Accuracy with its 95 % Wilson interval, and the counts it follows from."""

    tiles: int
    accuracy: float
    interval: tuple[float, float]
    confusion: dict[str, dict[str, int]]  # {true: {predicted: n}}, without zeros

    def __str__(self) -> str:
        low, high = self.interval
        lines = [
            f"accuracy {self.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%})"
            f" on {self.tiles:,} tiles",
            f"{'class':<22} {'precision':>9} {'recall':>9} {'tiles':>7}",
        ]
        for label, row in self.confusion.items():
            right, shown = row.get(label, 0), sum(row.values())
            guessed = sum(other.get(label, 0) for other in self.confusion.values())
            precision = f"{right / guessed:.2%}" if guessed else "none"
            lines.append(f"{label:<22} {precision:>9} {right / shown:>9.2%} {shown:>7}")
        return "\n".join(lines)


def evaluate(artefact: Path, data: Path, split: str = "test") -> Evaluation:
    """Evaluate an artefact, as it is served, on one split of a data set.

    Raises:
        ArtefactError: the artefact is damaged.
        ValueError: the data's labels are not the artefact's.
    """
    from model.predictor import Predictor

    opened = Artefact.open(artefact)
    dataset = load(data)
    if dataset.labels != opened.labels:
        raise ValueError(f"artefact of {opened.labels}, data of {dataset.labels}")
    return evaluate_tiles(Predictor(opened).predict, dataset.splits[split], dataset.labels)


def evaluate_tiles(predict: Callable[[Pixels], Any], tiles: Tiles, labels: list[str]) -> Evaluation:
    """Evaluate ``predict``: (n, 64, 64, 3) uint8 to (n, labels) probabilities."""
    guesses = np.concatenate(
        [
            np.asarray(predict(tiles.pixels[start : start + BATCH])).argmax(1)
            for start in range(0, len(tiles), BATCH)
        ]
    )
    counts = np.zeros((len(labels), len(labels)), int)
    np.add.at(counts, (tiles.classes, guesses), 1)
    right = int(counts.trace())
    return Evaluation(
        tiles=len(tiles),
        accuracy=right / len(tiles),
        interval=wilson(right, len(tiles)),
        confusion={
            label: {other: int(n) for other, n in zip(labels, row, strict=True) if n}
            for label, row in zip(labels, counts, strict=True)
            if row.any()
        },
    )


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson 1927).

    >>> wilson(98, 100)
    (0.9300, 0.9945)
    """
    share = right / n
    centre = share + Z_95**2 / (2 * n)
    margin = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    return round((centre - margin) / scale, 4), round((centre + margin) / scale, 4)
