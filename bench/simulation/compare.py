"""How far what the simulation predicts is from what was measured: by percentile, as a ratio.

Latencies of images that follow one another are alike, so the bootstrap draws stretches of them
(Künsch, *The Jackknife and the Bootstrap for General Stationary Observations*, 1989), not single
ones, which would make the intervals too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.intervals import CONFIDENCE, Interval

QUANTILES = (0.5, 0.9, 0.99)
RESAMPLES = 1_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """One percentile: predicted, measured, and the one through the other."""

    q: float
    predicted_ms: Interval
    measured_ms: Interval
    ratio: Interval

    @property
    def explained(self) -> bool:
        """Whether a ratio of 1 is within the interval: what the noise of both can explain."""
        return self.ratio.low <= 1 <= self.ratio.high


def compare(
    predicted_ms: Floats,
    measured_ms: Floats,
    rng: np.random.Generator,
    quantiles: Sequence[float] = QUANTILES,
    resamples: int = RESAMPLES,
) -> list[Comparison]:
    """Compare latencies, each in the order of their images.

    Raises:
        ValueError: there are fewer than two of either.
    """
    for name, samples in (("predicted", predicted_ms), ("measured", measured_ms)):
        if len(samples) < 2:
            raise ValueError(f"{len(samples)} latencies {name} are too few: 2 are the least")
    predicted = _resampled(predicted_ms, quantiles, rng, resamples)
    measured = _resampled(measured_ms, quantiles, rng, resamples)
    found = []
    for column, q in enumerate(quantiles):
        ours, theirs = float(np.quantile(predicted_ms, q)), float(np.quantile(measured_ms, q))
        found.append(
            Comparison(
                q,
                _interval(ours, predicted[:, column]),
                _interval(theirs, measured[:, column]),
                _interval(ours / theirs, predicted[:, column] / measured[:, column]),
            )
        )
    return found


def _resampled(
    samples: Floats, quantiles: Sequence[float], rng: np.random.Generator, resamples: int
) -> Floats:
    """Return the quantiles of each resample, of stretches as long as there are of them."""
    length = max(1, round(math.sqrt(len(samples))))
    stretches = math.ceil(len(samples) / length)
    steps = np.arange(length)
    found = []
    for _ in range(resamples):
        starts = rng.integers(0, len(samples) - length + 1, stretches)
        found.append(np.quantile(samples[starts[:, None] + steps], quantiles))
    return np.array(found)


def _interval(value: float, found: Floats) -> Interval:
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))
