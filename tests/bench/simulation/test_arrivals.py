"""Both lanes: the same seed gives the same, and a burst is simulated soon."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from bench.simulation.arrivals import groups, poisson
from bench.simulation.on_prem import OnPrem
from tests.bench.simulation.lanes import OPEN, TIMES, on_prem, serverless


def test_the_same_seed_gives_the_same() -> None:
    arrivals_s = poisson(50, 20, np.random.default_rng(16))
    for seed, same in ((7, True), (8, False)):
        assert same == np.array_equal(
            on_prem(arrivals_s, TIMES, OnPrem(), 7).committed_s,
            on_prem(arrivals_s, TIMES, OnPrem(), seed).committed_s,
        )
        assert same == np.array_equal(
            serverless(arrivals_s, OPEN, 7).committed_s,
            serverless(arrivals_s, OPEN, seed).committed_s,
        )


def test_arrivals_are_grouped_whole_and_have_to_be_in_order() -> None:
    arrivals_s = np.array([0.0001, 0.0002, 0.0011, 0.5])
    assert list(groups(arrivals_s)) == [(0.0002, 0, 2), (0.0011, 2, 3), (0.5, 3, 4)]
    assert list(groups(np.array([]))) == []
    with pytest.raises(ValueError, match="in order"):
        list(groups(np.array([1.0, 0.5])))


def test_a_burst_of_100_000_a_second_is_soon_simulated() -> None:
    """A tenth of the burst that the bench has, in a fifth of the two minutes that may take."""
    arrivals_s = np.sort(np.random.default_rng(19).uniform(0, 1, 100_000))
    began_s = time.process_time()  # others' work does not count
    there = on_prem(arrivals_s, TIMES, OnPrem(hosts=50, cores=4, streams=4))
    here = serverless(arrivals_s, replace(OPEN, through_api=False))
    assert time.process_time() - began_s < 24
    assert there.done.all()
    assert here.done.all()
    assert min(there.recovered_s, here.recovered_s) > 2  # longer than it took to come


def test_a_warm_up_is_cut_off_what_became_of_the_images() -> None:
    arrivals_s = poisson(50, 5, np.random.default_rng(23))
    whole = on_prem(arrivals_s, TIMES, OnPrem())
    kept = whole.after(20)
    assert np.array_equal(kept.total_ms, whole.total_ms[20:])
    assert np.array_equal(kept.latency_ms, whole.latency_ms[20:])
    assert len(kept.batch_images) == len(arrivals_s) - 20
