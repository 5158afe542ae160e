"""How right and how sure: figures that follow from probabilities and true classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z_95 = 1.959964  # of the normal distribution, for 95 % intervals
BINS = 15  # of confidence, equally wide, as in Guo et al. 2017 (arXiv:1706.04599)

Floats = npt.NDArray[np.floating]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassFigures:
    """One class. ``precision`` is None where nothing was taken for it."""

    tiles: int
    precision: float | None
    recall: float
    f1: float


@dataclass(frozen=True)
class Bin:
    """Tiles of like confidence: how sure the model was, and how often right."""

    tiles: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """All that is measured of one model on one set of tiles."""

    tiles: int
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson's
    ece: float  # expected calibration error
    log_loss: float  # mean cross entropy, in nats
    classes: dict[str, ClassFigures]  # those that the tiles show
    confusion: dict[str, dict[str, int]]  # {true: {predicted: n}}, without zeros
    reliability: list[Bin]  # those with tiles in them, by rising confidence


def evaluation(probabilities: Floats, classes: Classes, labels: list[str]) -> Evaluation:
    """Compare ``probabilities`` (n, labels) with the true ``classes`` (n,)."""
    n = len(classes)
    if n == 0:
        raise ValueError("there are no tiles to evaluate on")
    guesses = probabilities.argmax(1)
    counts = np.zeros((len(labels), len(labels)), int)
    np.add.at(counts, (classes, guesses), 1)
    right = int(counts.trace())
    bins = reliability(probabilities, classes)
    of_truth = probabilities[np.arange(n), classes].astype(float)
    return Evaluation(
        tiles=n,
        accuracy=right / n,
        interval=wilson(right, n),
        ece=expected_calibration_error(bins),
        log_loss=float(-np.log(np.maximum(of_truth, 1e-12)).mean()),
        classes={
            label: _class_figures(counts, number)
            for number, label in enumerate(labels)
            if counts[number].any()
        },
        confusion={
            label: {other: int(n) for other, n in zip(labels, row, strict=True) if n}
            for label, row in zip(labels, counts, strict=True)
            if row.any()
        },
        reliability=bins,
    )


def _class_figures(counts: npt.NDArray[np.int_], number: int) -> ClassFigures:
    right, shown, taken = counts[number, number], counts[number].sum(), counts[:, number].sum()
    return ClassFigures(
        tiles=int(shown),
        precision=float(right / taken) if taken else None,
        recall=float(right / shown),
        f1=float(2 * right / (shown + taken)),
    )


def reliability(probabilities: Floats, classes: Classes, bins: int = BINS) -> list[Bin]:
    """Sort tiles by the confidence of their label into equally wide bins (lower, upper]."""
    confidences = probabilities.max(1).astype(float)
    right = probabilities.argmax(1) == classes
    numbers = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
    return [
        Bin(int(inside.sum()), float(confidences[inside].mean()), float(right[inside].mean()))
        for inside in (numbers == number for number in range(bins))
        if inside.any()
    ]


def expected_calibration_error(bins: list[Bin]) -> float:
    """Return the mean gap between confidence and accuracy, weighted by tiles."""
    tiles = sum(one.tiles for one in bins)
    return sum(one.tiles * abs(one.confidence - one.accuracy) for one in bins) / tiles


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson 1927).

    >>> wilson(98, 100)
    (0.93, 0.9945)
    """
    share = right / n
    centre = share + Z_95**2 / (2 * n)
    margin = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    return round((centre - margin) / scale, 4), round((centre + margin) / scale, 4)
