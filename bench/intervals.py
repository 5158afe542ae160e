"""Confidence intervals that assume no distribution, and how many samples a percentile needs.

Latencies are skewed and their tails are what matters, so nothing here supposes a normal
distribution. `quantile` and `bootstrap` take samples to be independent. Under load, latencies that
follow one another are alike: `series_quantile` is for those.

A quantile lies between two order statistics with a probability that the binomial distribution
gives exactly: Le Boudec, *Performance Evaluation of Computer and Communication Systems*, 2010,
theorem 2.1, and David and Nagaraja, *Order Statistics*, 2003, section 7.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 2_000

Samples = Sequence[float] | NDArray[np.float64]
Statistic = Callable[[NDArray[np.float64]], float]


@dataclass(frozen=True)
class Interval:
    """An estimate, between the bounds that hold the true value with the stated confidence."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as a table shows it."""
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def quantile(samples: Samples, q: float, confidence: float = CONFIDENCE) -> Interval | None:
    """Return the ``q``-quantile between two order statistics; None where samples are too few.

    Too few means that even the least and the greatest do not hold it with that confidence, as
    58 do not for the 95th percentile. See ``needed``.

    Raises:
        ValueError: ``q`` or ``confidence`` is not between 0 and 1.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    if (ranks := _ranks(len(ordered), q, confidence)) is None:
        return None
    low, high = ranks
    return Interval(
        float(np.quantile(ordered, q, method="median_unbiased")),
        float(ordered[low - 1]),
        float(ordered[high - 1]),
    )


def series_quantile(
    series: Sequence[Samples],
    q: float,
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """Return the ``q``-quantile of series whose neighbours are alike, such as a run's latencies.

    Stretches of each series are drawn anew, as long as the root of its length: the block bootstrap
    (Künsch, *The Jackknife and the Bootstrap for General Stationary Observations*, 1989). None
    where there are fewer samples than even independent ones would have to be (``needed``).
    """
    known = [np.asarray(one, dtype=np.float64) for one in series if len(one)]
    everything = np.concatenate(known) if known else np.empty(0)
    if len(everything) < needed(q, confidence):
        return None
    found = [
        np.quantile(np.concatenate([_stretches(one, rng) for one in known]), q)
        for _ in range(resamples)
    ]
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    value = float(np.quantile(everything, q))
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _stretches(samples: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    length = max(1, round(math.sqrt(len(samples))))
    starts = rng.integers(0, len(samples) - length + 1, math.ceil(len(samples) / length))
    drawn: NDArray[np.float64] = samples[(starts[:, None] + np.arange(length)).ravel()]
    return drawn[: len(samples)]


def needed(q: float, confidence: float = CONFIDENCE) -> int:
    """Return how many samples the ``q``-quantile needs before there is an interval for it.

    The least and the greatest of n hold it with 1 - q^n - (1 - q)^n.
    """
    _check(q, confidence)
    n = 2
    while 1 - q**n - (1 - q) ** n < confidence:
        n += 1
    return n


def bootstrap(
    samples: Samples,
    statistic: Statistic,
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return a statistic's percentile bootstrap interval (Efron and Tibshirani, 1993, chapter 13).

    For means and what is made of them. Of a few samples it is too narrow: of 20 it holds the true
    mean of an exponential in 9 cases of 10 (tests/bench/test_intervals.py).

    Raises:
        ValueError: there are fewer than two samples.
    """
    values = np.asarray(samples, dtype=np.float64)
    if len(values) < 2:
        raise ValueError(f"{len(values)} samples are too few to resample: 2 are the least")
    found = [statistic(rng.choice(values, len(values))) for _ in range(resamples)]
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(statistic(values), float(low), float(high))


@cache
def _ranks(n: int, q: float, confidence: float) -> tuple[int, int] | None:
    """Return the ranks, from 1, of the narrowest pair about the middle that holds the quantile.

    How many of n samples lie below the quantile is binomial(n, q). The interval between ranks j
    and k holds it if that number is at least j and less than k.
    """
    _check(q, confidence)
    if n < needed(q, confidence):
        return None
    numbers = np.arange(n + 1)
    logs = np.cumsum(np.log(np.maximum(1, np.arange(n + 1))))
    density = np.exp(
        logs[n] - logs - logs[::-1] + numbers * math.log(q) + (n - numbers) * math.log1p(-q)
    )
    below = np.concatenate([[0.0], np.cumsum(density)])  # below[k]: P(number < k)
    tail = (1 - confidence) / 2
    low = max(1, int(np.searchsorted(below, tail, side="right")) - 1)
    high = min(n, int(np.searchsorted(below, 1 - tail, side="left")))
    # What is missing at an edge, where a rank beyond 1 or n is wanted, the other makes up.
    while below[high] - below[low] < confidence:
        if high < n:
            high += 1
        else:
            low -= 1
    return low, high


def _check(q: float, confidence: float) -> None:
    for name, value in (("q", q), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value}: between 0 and 1 is wanted")
