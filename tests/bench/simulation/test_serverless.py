"""The serverless lane keeps to AWS's limits, and loses nothing but what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.lambda_lane.limits import LaneLimits
from bench.simulation.environments import Environments, Scaling
from bench.simulation.serverless import simulate_serverless
from bench.simulation.service_times import (
    BadServiceTimes,
)
from tests.bench.simulation.lanes import BARE, OPEN, serverless


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


@pytest.mark.parametrize(("mappings", "most"), [(1, 1000), (3, 2500)])
def test_a_queues_mapping_ends_however_much_concurrency_there_is(mappings: int, most: int) -> None:
    config = replace(
        OPEN,
        through_api=False,
        concurrency=2500,
        mappings=mappings,
        infer=Scaling(limit=10_000, start_burst=10_000),
        pollers_per_min=60_000.0,
    )
    _, numbers = serverless(np.zeros(100_000), config).environments["infer"]
    assert numbers.max() == most


def test_each_mapping_has_its_own_pollers() -> None:
    config = replace(OPEN, through_api=False, concurrency=1000, mappings=4)
    times_s, numbers = serverless(np.zeros(20_000), config).environments["infer"]
    assert numbers[times_s < 0.04].max() == 20


def test_environments_stay_as_long_as_those_of_the_lane_on_this_machine() -> None:
    assert Scaling().keep_alive_s == LaneLimits().keep_alive_s
