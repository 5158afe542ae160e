"""Intervals hold what they say they hold, as often as they say: shown by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from bench.intervals import Interval, bootstrap, needed, quantile, series_quantile

RUNS = 1_000  # the coverage found is within 1.5 points of the true one, nearly always


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [299, 1000])
def test_a_quantile_lies_in_its_interval_as_often_as_stated(q: float, n: int) -> None:
    rng = np.random.default_rng(7)
    true = -np.log(1 - q)  # of an exponential, which is skewed as latencies are
    found = [quantile(rng.exponential(size=n), q) for _ in range(RUNS)]
    covered = np.mean([one is not None and one.low <= true <= one.high for one in found])
    assert 0.94 <= covered <= 0.985


def test_an_interval_is_no_wider_than_it_has_to_be() -> None:
    """Of a sample of 1,000, the median's 95 % interval spans 63 ranks (Le Boudec, A.1)."""
    found = quantile(np.arange(1, 1001, dtype=float), 0.5)
    assert found is not None
    assert (found.low, found.high) == (469.0, 532.0)
    assert found.value == 500.5


@pytest.mark.parametrize(("q", "n"), [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_a_percentile_of_too_few_samples_is_not_told(q: float, n: int) -> None:
    assert needed(q) == n
    assert quantile(np.arange(n - 1, dtype=float), q) is None
    assert quantile(np.arange(n, dtype=float), q) is not None


def test_no_samples_have_no_quantile() -> None:
    assert quantile([], 0.5) is None


def test_the_bootstrap_of_a_mean_covers_it_as_the_docstring_says() -> None:
    rng = np.random.default_rng(11)

    def covered(n: int, runs: int) -> float:
        found = [
            bootstrap(rng.exponential(size=n), np.mean, rng, resamples=400) for _ in range(runs)
        ]
        return float(np.mean([one.low <= 1 <= one.high for one in found]))

    assert 0.85 <= covered(20, 150) <= 0.94
    assert 0.90 <= covered(300, 150) <= 0.98


def test_an_interval_of_latencies_that_are_alike_in_turn_is_as_wide_as_it_has_to_be() -> None:
    """As of a queue: each is three quarters of the one before, and a shock."""
    rng = np.random.default_rng(13)

    def run() -> list[float]:
        found = [0.0]
        for shock in rng.exponential(size=1000):
            found.append(0.75 * found[-1] + shock)
        return found[1:]

    true = np.median([np.median(run()) for _ in range(200)])
    runs = [[run(), run()] for _ in range(80)]
    alike = [series_quantile(one, 0.5, rng, resamples=200) for one in runs]
    apart = [quantile(one[0] + one[1], 0.5) for one in runs]

    def covered(found: list[Interval | None]) -> float:
        return float(np.mean([one is not None and one.low <= true <= one.high for one in found]))

    assert covered(alike) >= 0.85
    assert covered(apart) < 0.75  # what independence would have made of it
    assert series_quantile([[1.0, 2.0], []], 0.5, rng) is None


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="q is 1: between 0 and 1"):
        quantile([1.0, 2.0], 1)
    with pytest.raises(ValueError, match="1 samples are too few"):
        bootstrap([1.0], np.mean, np.random.default_rng(1))
