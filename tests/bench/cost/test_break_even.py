"""The lanes cross where they do by hand, and above the last crossing on-prem is cheaper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.cost.bill import usd_per_million
from bench.cost.break_even import break_even, cost_interval, crossings
from tests.bench.cost.figures import ASSUMED, MEASURED, MONTH_S, PRICES, SMALL


def test_the_lanes_cross_where_they_do_by_hand() -> None:
    """Two hosts against what a million costs, where nothing else differs."""
    nothing = {"days_kept": 0, "row_bytes": 0, "database_gb_min": 0, "host_disk_gb": 0}
    free = {"alarms": 0, "custom_metrics": 0, "dashboards": 0, "pollers": 0}
    same = replace(ASSUMED, on_prem_database="rds", on_prem_images="s3", **nothing, **free)  # type: ignore[arg-type]
    measured = MEASURED.model_copy(update={"sweep_ms": []})
    # Both pay data out, S3 and the database; serverless alone its functions, requests and logs.
    image = (0.045 * 0.0166667 + 2.1 * 0.2e-3 + 3e-3 + 1.2 * 0.4e-3) / 1e3 + 0.5 / 2**20
    kept = 0.03 / 2**20 * 7 / (730 / 24)
    by_hand = (2 * 730 * 0.0893 - 0.40 - 0.0438 * 0.20) / MONTH_S / (image + kept)
    found = break_even(measured, same, PRICES, np.random.default_rng(3), resamples=50)
    assert found is not None
    assert found.value == pytest.approx(by_hand)
    assert found.low == found.high == pytest.approx(by_hand)  # no sample varies


@pytest.mark.parametrize("host", ["c7i.large", "hetzner-cpx22"])
@pytest.mark.parametrize("per_s", [3.0, 5.0, 20.0, 100.0])
def test_above_the_break_even_on_prem_is_cheaper_and_below_it_is_not(
    host: str, per_s: float
) -> None:
    """However the steps lie: a slow host makes the lanes cross again and again."""
    assumed = replace(ASSUMED, host=host, database_class=None)
    measured = SMALL.model_copy(update={"on_prem_images_per_s": [per_s]})

    def dearer(load: float) -> bool:
        lanes = [
            usd_per_million(lane, load, measured, assumed, PRICES)
            for lane in ("on-prem", "serverless")
        ]
        return lanes[0] > lanes[1]

    even = crossings(measured, assumed, PRICES, np.random.default_rng(3), resamples=2)
    found = even.interval
    assert found == break_even(measured, assumed, PRICES, np.random.default_rng(3), resamples=2)
    everywhere = [dearer(load) for load in np.geomspace(1e-3, 9_999, 300)]
    assert even.ever or all(everywhere)
    if found is None:
        assert dearer(9_999)
        return
    below = [dearer(load) for load in np.geomspace(1e-3, found.value * (1 - 1e-4), 600)]
    assert even.single == all(below)
    assert dearer(found.value * (1 - 1e-4))
    above = np.geomspace(found.value * (1 + 1e-4), 9_999, 300)
    assert not any(dearer(load) for load in above)


def test_where_on_prem_never_wins_there_is_no_break_even() -> None:
    measured = MEASURED.model_copy(update={"on_prem_images_per_s": [0.5]})
    assert break_even(measured, ASSUMED, PRICES, np.random.default_rng(1), resamples=2) is None
    never = crossings(measured, ASSUMED, PRICES, np.random.default_rng(1), resamples=2)
    assert (never.interval, never.ever) == (None, False)


def test_where_on_prem_wins_for_a_while_it_is_told() -> None:
    # The disk that keeps images for a year is dearer than S3, but small loads have few of them.
    assumed = replace(ASSUMED, days_kept=365, hosts_min=1, database_class="db.m7g.2xlarge")
    found = crossings(MEASURED, assumed, PRICES, np.random.default_rng(1), resamples=2)
    assert (found.interval, found.ever) == (None, True)


def test_images_that_are_kept_for_long_belong_on_s3() -> None:
    assumed = replace(ASSUMED, days_kept=365)
    assert break_even(MEASURED, assumed, PRICES, np.random.default_rng(1), resamples=2) is None


def test_where_on_prem_always_wins_it_is_0() -> None:
    assumed = replace(ASSUMED, database_class="db.m7g.large", database_multi_az=True)
    found = break_even(SMALL, assumed, PRICES, np.random.default_rng(1), resamples=2)
    assert found is not None
    assert found.value == 0


def test_what_varies_makes_the_break_even_less_sure() -> None:
    rng = np.random.default_rng(5)
    varied = SMALL.model_copy(
        update={"infer_ms": list(rng.gamma(4, 25, 30)), "infer_images": [10] * 30}
    )
    found = break_even(varied, ASSUMED, PRICES, rng, resamples=200)
    assert found is not None
    assert found.low < found.value < found.high
    cost = cost_interval("serverless", 10, varied, ASSUMED, PRICES, rng, resamples=200)
    assert cost.low < cost.value < cost.high
    assert cost.value == pytest.approx(usd_per_million("serverless", 10, varied, ASSUMED, PRICES))
