"""The on-prem lane agrees with theory where there is one, and loses nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import simpy

from bench.simulation.arrivals import poisson
from bench.simulation.cores import Cores
from bench.simulation.on_prem import OnPrem
from tests.bench.simulation.lanes import BARE, EXPONENTIAL, SINGLY, TIMES, on_prem


@pytest.mark.parametrize("utilisation", [0.3, 0.6])
def test_one_server_waits_as_pollaczek_and_khinchine_say(utilisation: float) -> None:
    """M/D/1: the mean wait is utilisation · service / 2 / (1 - utilisation)."""
    rng = np.random.default_rng(11)
    arrivals_s = poisson(utilisation / 0.1, 20_000 * 0.1 / utilisation, rng)
    waits_ms = on_prem(arrivals_s, BARE, SINGLY).latency_ms - 100
    assert waits_ms.mean() == pytest.approx(utilisation * 100 / 2 / (1 - utilisation), rel=0.07)


def test_one_server_waits_as_lindley_says_image_by_image() -> None:
    """Each waits for what was left when the one before came, less the time since then."""
    arrivals_s = poisson(8, 500, np.random.default_rng(10))
    found = on_prem(arrivals_s, BARE, SINGLY)
    wait_s, waits_s = 0.0, []
    for gap_s in np.diff(found.accepted_s, append=np.inf):
        waits_s.append(wait_s)
        wait_s = max(0.0, wait_s + 0.1 - gap_s)
    assert found.latency_ms == pytest.approx(np.array(waits_s) * 1000 + 100)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.6), (2, 0.6), (4, 0.7)])
def test_several_servers_wait_as_erlang_says(servers: int, utilisation: float) -> None:
    """M/M/c: Erlang's C is how many wait at all, and the mean wait follows from it."""
    offered = servers * utilisation
    arrivals_s = poisson(offered / 0.1, 24_000 * 0.1 / offered, np.random.default_rng(22))
    found = on_prem(arrivals_s, EXPONENTIAL, replace(SINGLY, cores=servers, streams=servers))
    last = offered**servers / math.factorial(servers) / (1 - utilisation)
    erlang_c = last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)
    expected_ms = 100 * erlang_c / servers / (1 - utilisation)
    assert found.latency_ms.mean() - 100 == pytest.approx(expected_ms, rel=0.06)


def test_cores_are_shared_evenly() -> None:
    """M/M/1-PS: an image is there for service / (1 - utilisation), in whatever order."""
    arrivals_s = poisson(6, 3_000, np.random.default_rng(13))
    # Everybody has a stream, and there is one core.
    found = on_prem(arrivals_s, EXPONENTIAL, replace(SINGLY, streams=10_000, eager_ms=0))
    assert found.latency_ms.mean() == pytest.approx(100 / (1 - 0.6), rel=0.05)


def test_rivals_take_their_share() -> None:
    """An image that has one core of two has it with one rival, and two thirds with two."""
    for rivals, ms in ((0, 100), (1, 100), (2, 150)):
        config = replace(SINGLY, cores=2, rivals=rivals, eager_ms=0)
        assert on_prem(np.zeros(1), BARE, config).latency_ms == pytest.approx(ms)


def test_who_has_slept_goes_first_for_a_moment() -> None:
    env = simpy.Environment()
    cores = Cores(env, 1, eager_s=0.003)
    ended: dict[str, float] = {}

    def run(name: str, work_s: float, slept: bool) -> None:
        cores.run(work_s, lambda: ended.update({name: env.now}), slept=slept)

    run("busy", 0.1, slept=False)
    env.timeout(0.05).callbacks.append(lambda _: run("short", 0.002, slept=True))
    env.timeout(0.06).callbacks.append(lambda _: run("long", 0.013, slept=True))
    env.run()
    assert ended["short"] == pytest.approx(0.052)
    # 3 ms first, then the other 10 at half a core.
    assert ended["long"] == pytest.approx(0.06 + 0.003 + 0.02)
    assert ended["busy"] == pytest.approx(0.1 + 0.002 + 0.013)


def test_what_gathers_while_a_batch_is_in_work_is_the_next_one() -> None:
    config = replace(SINGLY, batch_images=64)
    arrivals_s = np.array([0.0, 0.01, 0.02, 0.05, 0.4])
    found = on_prem(arrivals_s, BARE, config)
    assert list(found.batch_images) == [1, 3, 3, 3, 1]
    # A batch of one takes 100 ms here, of three 300.
    assert found.committed_s == pytest.approx([0.1, 0.4, 0.4, 0.4, 0.5])


def test_a_batch_is_never_larger_than_it_may_be_nor_a_worker_fuller() -> None:
    arrivals_s = np.zeros(1000)
    assert on_prem(arrivals_s, TIMES, OnPrem()).batch_images.max() <= 64
    assert on_prem(arrivals_s, TIMES, replace(OnPrem(), in_hand=5)).batch_images.max() <= 5
    together = on_prem(arrivals_s, TIMES, replace(OnPrem(), images_per_message=64))
    assert together.batch_images.max() > 64 / 2


@pytest.mark.parametrize(
    "config",
    [
        OnPrem(),
        OnPrem(hosts=3, cores=4, workers=2, streams=4, api_processes=2),
        OnPrem(images_per_message=64),
        OnPrem(cores=0.4),
    ],
)
def test_every_image_comes_out_once(config: OnPrem) -> None:
    rng = np.random.default_rng(14)
    arrivals_s = np.sort(np.concatenate([poisson(30, 20, rng), np.full(500, 5.0)]))
    found = on_prem(arrivals_s, TIMES, config)
    assert found.done.all()
    assert np.all(found.accepted_s >= found.scheduled_s)
    assert np.all(found.committed_s > found.accepted_s)
    # Those of a batch are committed at one moment, and at each moment whole batches are.
    _, moment = np.unique(found.committed_s, return_inverse=True)
    batches = np.bincount(moment, 1 / found.batch_images)
    assert batches == pytest.approx(np.round(batches))
    assert found.backlog(np.array([1e9]))[0] == 0


def test_more_hosts_are_through_a_burst_sooner() -> None:
    arrivals_s = np.sort(np.random.default_rng(15).uniform(0, 1, 5000))
    one = on_prem(arrivals_s, TIMES, OnPrem()).recovered_s
    four = on_prem(arrivals_s, TIMES, OnPrem(hosts=4)).recovered_s
    assert one / four == pytest.approx(4, rel=0.2)
