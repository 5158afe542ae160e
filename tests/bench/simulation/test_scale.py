"""What a report has simulated says what it was reckoned from."""

from __future__ import annotations

import pytest

from bench.report.scale import SETTINGS, Setting, simulated
from bench.simulation.on_prem import OnPrem
from bench.simulation.serverless import Serverless
from bench.simulation.service_times import BatchTime
from tests.bench.simulation.lanes import OPEN, TIMES

SMALL = (Setting("a host", OnPrem(), 20, 1), Setting("functions", OPEN, 20, 1))


def test_batches_that_were_not_measured_are_said_to_be_reckoned() -> None:
    assert [one.setting for one in simulated(TIMES, SMALL)] == ["a host", "functions"]
    singles = TIMES.model_copy(update={"infer": [BatchTime(images=1, ms=20.0)]})
    assert [one.setting for one in simulated(singles, SMALL)] == [
        "a host",
        "functions (batches of 10 reckoned from 1)",
    ]
    none = TIMES.model_copy(update={"infer": []})
    assert [one.setting for one in simulated(none, SMALL)] == ["a host"]


@pytest.mark.parametrize("lane", [one.lane for one in SETTINGS if isinstance(one.lane, Serverless)])
def test_functions_are_given_no_more_calls_at_once_than_their_queues_can_make(
    lane: Serverless,
) -> None:
    assert lane.most_calls == lane.concurrency
