"""The simulation agrees with theory where there is one, loses nothing, and keeps to the limits."""

from __future__ import annotations

import csv
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simpy

from bench.simulation.arrivals import Floats, Outcomes, groups, poisson
from bench.simulation.calibration import service_times_of
from bench.simulation.compare import compare
from bench.simulation.cores import Cores
from bench.simulation.environments import Environments, Scaling
from bench.simulation.on_prem import OnPrem, simulate_on_prem
from bench.simulation.serverless import Serverless, simulate_serverless
from bench.simulation.service_times import (
    BadServiceTimes,
    BatchTime,
    BatchTimes,
    ServiceTimes,
)

# A queue as in the books: nothing but service.
BARE = ServiceTimes(
    accept_ms=[0.0],
    hand_over_ms=[0.0],
    api_process_ms=0.0,
    worker_ms=0.0,
    other_ms=0.0,
    batches=[BatchTime(images=1, ms=100.0)],
)
# An exponential's quantiles, a thousand of them, which draws are made of.
EXPONENTIAL = BARE.model_copy(
    update={
        "batches": [
            BatchTime(images=1, ms=-100 * math.log(1 - (number + 0.5) / 1000))
            for number in range(1000)
        ]
    }
)
SINGLY = OnPrem(cores=1, streams=1, batch_images=1, in_hand=1_000_000)
TIMES = ServiceTimes(
    accept_ms=[3.0, 4.0, 5.0],
    hand_over_ms=[4.0, 5.0, 9.0],
    api_process_ms=3.0,
    worker_ms=2.0,
    other_ms=1.0,
    batches=[
        BatchTime(images=n, ms=5.0 + 2 * n + extra) for n in (1, 4, 16, 64) for extra in (0, 1)
    ],
    api_ms=[12.0, 14.0, 20.0],
    api_init_ms=[900.0, 1100.0],
    event_ms=[30.0, 60.0],
    infer=[BatchTime(images=n, ms=20.0 + 3 * n) for n in (1, 5, 10)],
    infer_init_ms=[1500.0, 1800.0],
)
OPEN = Serverless(throttle_per_s=None)


def on_prem(arrivals_s: Floats, times: ServiceTimes, config: OnPrem, seed: int = 1) -> Outcomes:
    return simulate_on_prem(arrivals_s, times, config, np.random.default_rng(seed))


def serverless(arrivals_s: Floats, config: Serverless, seed: int = 1) -> Outcomes:
    return simulate_serverless(arrivals_s, TIMES, config, np.random.default_rng(seed))


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


@pytest.mark.parametrize("through_api", [True, False])
def test_a_function_never_has_more_environments_than_it_may(through_api: bool) -> None:
    arrivals_s = np.sort(np.random.default_rng(17).uniform(0, 5, 20_000))
    config = replace(
        OPEN,
        through_api=through_api,
        api=Scaling(limit=70),
        infer=Scaling(limit=1000),
        concurrency=30,
    )
    found = serverless(arrivals_s, config)
    assert found.environments["infer"][1].max() <= 30
    accepted = np.isfinite(found.accepted_s)
    assert np.array_equal(accepted, found.done)
    assert found.batch_images[found.done].max() <= 10
    if through_api:
        assert found.environments["api"][1].max() == 70
        assert 0 < (~accepted).sum() < len(arrivals_s)  # the others were refused
    else:
        assert accepted.all()
        assert "api" not in found.environments


def test_a_function_never_scales_faster_than_it_may() -> None:
    scaling = Scaling(limit=10_000, start_burst=100, start_burst_s=10.0)
    arrivals_s = np.sort(np.random.default_rng(18).uniform(0, 20, 30_000))
    found = serverless(arrivals_s, replace(OPEN, api=scaling))
    times_s, numbers = found.environments["api"]
    grown = np.maximum(0, np.diff(numbers))
    for window_s in (0.1, 1.0, 5.0, 10.0):
        for start_s in np.arange(0, 20, 0.37):
            inside = (times_s[1:] >= start_s) & (times_s[1:] < start_s + window_s)
            assert grown[inside].sum() <= 100 + 10 * window_s + 1


def test_pollers_come_one_by_one_while_messages_wait() -> None:
    config = replace(OPEN, through_api=False, concurrency=1000, infer=Scaling(limit=1000))
    found = serverless(np.zeros(20_000), config)
    times_s, numbers = found.environments["infer"]
    assert numbers[times_s < 0.1].max() == 5
    for at_s in (2.0, 5.0, 10.0):
        assert numbers[times_s <= at_s].max() <= 5 + 5 * (at_s + 0.1) + 1
    assert numbers.max() > 20


def test_environments_are_warm_for_a_while_and_go() -> None:
    environments = Environments(Scaling(keep_alive_s=60))
    assert environments.take(3, 0.0) == (0, 3)
    environments.release(3, 1.0)
    assert environments.take(2, 30.0) == (2, 0)
    environments.release(2, 31.0)
    assert environments.take(3, 70.0) == (2, 1)  # of the first, one has gone
    assert environments.number == 3


def test_api_gateway_refuses_what_is_too_much() -> None:
    config = replace(OPEN, throttle_per_s=50.0, throttle_burst=100.0)
    found = serverless(np.linspace(0, 10, 5000), config)
    assert found.done.sum() == pytest.approx(100 + 50 * 10, abs=5)


def test_a_lone_image_meets_a_cold_start_and_the_next_does_not() -> None:
    found = serverless(np.array([0.0, 20.0]), OPEN)
    assert found.total_ms[0] > 900 + 1500
    assert found.total_ms[1] < 200


def test_the_serverless_lane_needs_its_times() -> None:
    with pytest.raises(BadServiceTimes, match="infer, infer_init_ms, api_ms, api_init_ms"):
        simulate_serverless(np.zeros(1), BARE, OPEN, np.random.default_rng(1))


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


def test_a_batchs_time_is_drawn_from_those_of_about_its_size() -> None:
    rng = np.random.default_rng(20)
    batches = [
        BatchTime(images=int(n), ms=float((6 + 3 * n) * rng.gamma(50, 1 / 50)))
        for n in rng.integers(1, 33, 2000)
    ]
    times = BatchTimes(batches)
    assert times.base_ms == pytest.approx(6, rel=0.3)
    assert times.image_ms == pytest.approx(3, rel=0.05)
    for n in (1, 10, 32, 64):
        drawn_ms = [times.draw_s(n, rng) * 1000 for _ in range(500)]
        assert np.mean(drawn_ms) == pytest.approx(6 + 3 * n, rel=0.1)


COLUMNS = [
    *("request_id", "image", "scheduled_s", "sent_s", "answered_s", "http_status", "code"),
    *("outcome", "accepted_s", "started_s", "finished_s", "latency_ms", "queue_ms", "fetch_ms"),
    *("decode_ms", "infer_ms", "record_ms", "batch_size", "cold_start", "worker", "lane"),
]


def written(folder: Path, name: str, batches: list[tuple[int, float]]) -> Path:
    """Write a run whose batches have these sizes and times."""
    path = folder / name / "requests.csv"
    path.parent.mkdir()
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for number, (images, ms) in enumerate(batches):
            at_s = float(number)
            for _ in range(images):
                row: dict[str, object] = {"outcome": "done", "worker": "w", "queue_ms": 6}
                row |= {"scheduled_s": at_s, "sent_s": at_s, "accepted_s": at_s + 0.004}
                stages = {"fetch_ms": 1, "decode_ms": 1, "infer_ms": ms - 3, "record_ms": 1}
                row |= {"batch_size": images, "latency_ms": 6 + ms, "finished_s": at_s + 1}
                writer.writerow(row | stages)
        writer.writerow({"scheduled_s": 1e6, "outcome": "refused"})
    return path


def test_service_times_are_made_of_runs_as_with_a_core_to_each(tmp_path: Path) -> None:
    """At higher loads batches take far longer, because cores are short; their CPU time does not."""
    # Of the worker, 3 ms for a message, 6 for a batch and 2 for each of its images.
    runs = [
        written(tmp_path, "low", [(1, 9.0 + number / 100) for number in range(101)]),
        written(tmp_path, "moderate", [(2, 50.0 + number) for number in range(40)]),
        written(tmp_path, "high", [(n, 300.0 * n + i) for n in (4, 8, 16) for i in range(10)]),
    ]
    per_image = [1, 1 / 2, 30 / 280]  # batches
    cpu_ms = [{"api": 9.0, "worker": 5 + 6 * one, "postgres": 1 + 2 * one} for one in per_image]
    times = service_times_of(runs, cpu_ms)
    assert times.accept_ms == pytest.approx([4.0] * 101)
    assert times.hand_over_ms == pytest.approx([6.0] * 101)
    assert times.worker_ms == pytest.approx(11 - 8.5, rel=0.01)
    assert times.other_batch_ms == pytest.approx(2, rel=0.01)
    # All of it is there: what an image takes by itself, of the whole machine.
    alone_ms = times.api_process_ms + times.worker_ms + 9.5 + times.other_ms + times.other_batch_ms
    assert alone_ms == pytest.approx(9 + 11 + 3, rel=0.01)
    fitted = BatchTimes(times.batches)
    assert float(fitted.mean_ms(16)) == pytest.approx(6 + 3.5 * 16, rel=0.03)
    with pytest.raises(BadServiceTimes, match="images that are done"):
        service_times_of([written(tmp_path, "none", [])], cpu_ms[:1])
    with pytest.raises(BadServiceTimes, match="3 runs, but CPU times of 1"):
        service_times_of(runs, cpu_ms[:1])


def test_a_comparison_finds_what_differs_and_not_what_is_noise() -> None:
    rng = np.random.default_rng(21)
    ours, theirs = rng.gamma(4, 10, 5000), rng.gamma(4, 10, 5000)
    assert all(one.explained for one in compare(ours, theirs, rng))
    for one in compare(ours * 1.5, theirs, rng):
        assert not one.explained
        assert one.ratio.value == pytest.approx(1.5, rel=0.1)
    with pytest.raises(ValueError, match="0 latencies measured are too few"):
        compare(ours, np.array([]), rng)
