"""Service times and lanes that the tests of the simulation share."""

from __future__ import annotations

import math

import numpy as np

from bench.simulation.arrivals import Floats, Outcomes
from bench.simulation.on_prem import OnPrem, simulate_on_prem
from bench.simulation.serverless import Serverless, simulate_serverless
from bench.simulation.service_times import BatchTime, ServiceTimes

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
