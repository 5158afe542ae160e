"""What is made of a run's images: clocks, warm-up, percentiles, and whether the sender kept up."""

from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from bench.load import summary
from bench.load.clock import Exchange, compared
from bench.load.sender import Own
from bench.load.warmup import mser_5


def test_clocks_are_compared_as_closely_as_the_quickest_exchanges_allow() -> None:
    rng = np.random.default_rng(3)
    apart = 1_700_000_000.25
    exchanges = []
    for sent_s in np.arange(0, 20, 0.1):
        there_s, back_s = rng.exponential(0.01, 2)
        exchanges.append(Exchange(sent_s, apart + sent_s + there_s, sent_s + there_s + back_s))
    clocks = compared(exchanges)
    assert clocks is not None
    assert clocks.within_s < 0.002
    assert abs(clocks.ours(apart + 5.0) - 5.0) <= clocks.within_s


def test_a_clock_that_is_set_within_a_run_makes_the_error_as_large_as_the_step() -> None:
    clocks = compared([Exchange(0, 100.0, 0.01), Exchange(10, 113.0, 10.01)])
    assert clocks is not None
    assert clocks.within_s == pytest.approx(1.5, abs=0.02)
    assert compared([]) is None


def test_a_slow_beginning_is_cut_and_no_more() -> None:
    rng = np.random.default_rng(3)
    steady = rng.exponential(10, 1000)
    warming = np.concatenate([200 * np.exp(-np.arange(100) / 30), np.zeros(900)])
    assert 60 <= mser_5(list(steady + warming)) <= 250
    assert mser_5(list(np.arange(1000.0))) == 0  # never steady: nothing is hidden
    assert mser_5([5.0] * 50) == 0


def test_what_is_steady_from_the_first_is_hardly_ever_cut() -> None:
    cuts = [mser_5(list(np.random.default_rng(n).exponential(10, 600))) for n in range(200)]
    assert np.mean(np.asarray(cuts) > 100) < 0.1


def test_images_that_were_not_committed_do_not_shift_the_cut() -> None:
    slow, steady = [200.0, None] * 50, [10.0, 11.0, 12.0, 9.0, 8.0] * 100
    assert mser_5([*slow, *steady]) == 100


def test_a_percentile_of_too_few_images_is_left_out_and_says_why() -> None:
    found = summary.latency([float(one) for one in range(100)])
    p50, p90, p99, p999 = found.percentiles
    assert (p50.low, p50.high) == (39, 60)
    assert p90.value == pytest.approx(89.4, abs=1)
    assert (p99.value, p999.value) == (None, None)
    assert p99.why_not == "299 requests are needed for 95%; 100 there are"
    assert summary.latency([]).worst is None


def test_the_histogram_is_one_that_other_tools_read() -> None:
    decoded = HdrHistogram.decode(summary.histogram([1.0, 10.0, 100.0, 1e9]))
    assert decoded.get_total_count() == 4
    assert decoded.get_value_at_percentile(50) == pytest.approx(10_000, rel=0.001)
    assert decoded.get_max_value() == pytest.approx(3.6e9, rel=0.001)  # kept, at an hour


def test_a_sender_that_did_not_keep_up_says_so() -> None:
    assert summary.generator(Own([1.0] * 100, [1.0] * 100, 0.5)).bottleneck is None
    late = summary.generator(Own([1.0] * 90 + [50.0] * 10, [1.0], 0.5)).bottleneck
    assert late == "one request in a hundred went 50 ms late or more"
    busy = summary.generator(Own([1.0], [1.0], 0.97)).bottleneck
    assert busy == "it took 97% of a core"
