"""Bills are what they are by hand, and behave as bills do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.cost.__main__ import assumptions
from bench.cost.assumptions import Assumptions
from bench.cost.bill import Bill, on_prem_bill, serverless_bill, usd_per_million
from bench.cost.break_even import break_even, cost_interval, crossings
from bench.cost.measured import BadMeasurement, Measured, read_measured
from bench.cost.months import Prices, all_prices
from bench.cost.pricing import (
    AWS,
    HOSTS,
    BadPriceFile,
    Price,
    UnknownPrice,
    aws_prices,
    host_prices,
)
from settings import ROOT

MEASURED = Measured(
    machine="none: round figures",
    infer_memory_mb=2048,
    infer_ms=[99.2, 100.0],  # 100 ms each, as it is billed
    infer_images=[10, 10],
    api_memory_mb=1024,
    api_ms=[20.0],
    api_images=[1],
    api_read_ms=[5.0],
    sweep_ms=[100.0],
    image_bytes=[2.0**20],
    answer_bytes=[2.0**10],
    log_bytes=[2.0**10],
    on_prem_images_per_s=[100.0],
    on_prem_vcpus=2,
    database_cpu_ms=[1.0],
)
# Kept for 30 days, a large image is cheaper on S3 than on a disk, and that decides everything else.
SMALL = MEASURED.model_copy(update={"image_bytes": [3000.0]})
ASSUMED = Assumptions(database_class="db.t4g.micro", database_multi_az=False)
PRICES = all_prices()
MONTH_S = 730 * 3600
LOADS = [0.01, 0.1, 0.5, 1.0, 7.0, 60.0, 61.0, 300.0, 1000.0, 5000.0]


def usd(bill: Bill, item: str) -> float:
    [line] = [line for line in bill.lines if line.item == item]
    return line.usd_per_million


def test_a_serverless_bill_is_as_by_hand() -> None:
    bill = serverless_bill(1, MEASURED, ASSUMED, PRICES)
    per_month = 1e6 / MONTH_S  # of what is paid once a month
    # A tenth of 100 ms at 2 GB; 20 ms and 5 ms at 1 GB; 43,800 sweeps of 0.1 s at 2 GB.
    assert usd(bill, "Lambda: infer") == pytest.approx(0.02e6 * 0.0000166667)
    assert usd(bill, "Lambda: api, uploads") == pytest.approx(0.02e6 * 0.0000166667)
    assert usd(bill, "Lambda: api, results") == pytest.approx(0.005e6 * 0.0000166667)
    assert usd(bill, "Lambda: sweep") == pytest.approx(43_800 * 0.2 * 0.0000166667 * per_month)
    assert usd(bill, "Lambda: requests") == pytest.approx(2.1 * 0.20 + 0.0438 * 0.20 * per_month)
    # An image of 1 MB counts as two requests, and its result as one.
    assert usd(bill, "API Gateway") == pytest.approx(3 * 1.00)
    assert usd(bill, "S3: PUT") == pytest.approx(5.00)
    assert usd(bill, "S3: GET") == pytest.approx(0.40)
    # A million images of 1 MB are 976.6 GB, for 30 days of a month of 30.4.
    assert usd(bill, "S3: images kept") == pytest.approx(1e6 / 1024 * 0.023 * 30 / (730 / 24))
    assert usd(bill, "SQS: sent") == pytest.approx(0.40)
    # Five pollers every 20 s are 0.25/s, which is more than a tenth of a message's image.
    assert usd(bill, "SQS: received, also in vain") == pytest.approx(0.25 * 0.40)
    assert usd(bill, "SQS: deleted") == pytest.approx(0.1 * 0.40)
    assert usd(bill, "RDS: db.t4g.micro") == pytest.approx(730 * 0.016 * per_month)
    # 2.628 million rows of 1,000 bytes for 30 days are 2.4 GB: the least disk holds them.
    assert usd(bill, "RDS: disk") == pytest.approx(20 * 0.115 * per_month)
    assert usd(bill, "CloudWatch: logs") == pytest.approx(1e6 / 2**20 * 0.50)
    assert usd(bill, "CloudWatch: alarms") == pytest.approx(8 * 0.10 * per_month)
    assert usd(bill, "data out") == pytest.approx(1e6 / 2**20 * 0.09)
    assert bill.usd_per_million == pytest.approx(sum(line.usd_per_million for line in bill.lines))
    assert bill.usd_per_month == pytest.approx(bill.usd_per_million * MONTH_S / 1e6)
    assert not bill.warnings


def test_an_on_prem_bill_is_as_by_hand() -> None:
    # A host of two vCPUs passes 100/s, and is to be 60 % busy: three of them carry 150/s.
    bill = on_prem_bill(150, MEASURED, ASSUMED, PRICES)
    million = 1e6 / (150 * MONTH_S)
    assert usd(bill, "hosts: c7i.large") == pytest.approx(3 * 730 * 0.0893 * million)
    kept_s = 30 * 86_400
    disk_gb = 3 * 20 + 150 * kept_s * 1000 / 2**30 + 150 * kept_s * 2**20 / 2**30
    assert usd(bill, "disks") == pytest.approx(disk_gb * 0.08 * million)
    assert usd(bill, "data out") == pytest.approx(1e6 / 2**20 * 0.09)
    assert {line.item for line in bill.lines} == {"hosts: c7i.large", "disks", "data out"}


@pytest.mark.parametrize(("load", "hosts"), [(1, 2), (120, 2), (121, 3), (180, 3), (6000, 100)])
def test_hosts_come_one_by_one(load: float, hosts: int) -> None:
    bill = on_prem_bill(load, MEASURED, ASSUMED, PRICES)
    [line] = [line for line in bill.lines if line.item.startswith("hosts")]
    assert line.units_per_million * load * MONTH_S / 1e6 == pytest.approx(hosts * 730)


def test_an_on_prem_lane_may_use_the_clouds_stores() -> None:
    assumed = replace(ASSUMED, on_prem_database="rds", on_prem_images="s3")
    serverless = serverless_bill(7, MEASURED, assumed, PRICES)
    on_prem = on_prem_bill(7, MEASURED, assumed, PRICES)
    for item in ("RDS: db.t4g.micro", "RDS: disk", "S3: PUT", "S3: GET", "S3: images kept"):
        assert usd(on_prem, item) == usd(serverless, item)


def test_power_is_paid_for_each_host() -> None:
    assumed = replace(ASSUMED, power_and_hosting_usd=50.0)
    bill = on_prem_bill(1, MEASURED, assumed, PRICES)
    assert usd(bill, "power and hosting") == pytest.approx(2 * 50 / MONTH_S * 1e6)


def test_a_serverless_image_is_never_dearer_for_there_being_more() -> None:
    costs = [usd_per_million("serverless", load, MEASURED, ASSUMED, PRICES) for load in LOADS]
    assert all(after <= before + 1e-9 for before, after in pairwise(costs))


@pytest.mark.parametrize("lane", ["serverless", "on-prem"])
def test_a_month_is_never_cheaper_for_there_being_more(lane: str) -> None:
    assumed = replace(ASSUMED, database_class=None)
    bills = [usd_per_million(lane, load, MEASURED, assumed, PRICES) * load for load in LOADS]
    assert all(after >= before for before, after in pairwise(bills))


def test_the_database_grows_with_the_load_and_says_when_it_cannot() -> None:
    assumed = replace(ASSUMED, database_class=None)
    # 1 ms for an image, a fifth of a vCPU at 60 %: 120 images/s; of two vCPUs, 1,200.
    for load, item in ((119, "db.t4g.micro"), (121, "db.t4g.small"), (1199, "db.m7g.large")):
        assert usd(serverless_bill(load, MEASURED, assumed, PRICES), f"RDS: {item}") > 0
    [warning] = serverless_bill(5000, MEASURED, assumed, PRICES).warnings
    assert "db.m7g.2xlarge carries 4.8e+03 images/s" in warning
    assert serverless_bill(121, MEASURED, ASSUMED, PRICES).warnings
    assert not on_prem_bill(5000, MEASURED, assumed, PRICES).warnings


def test_calls_of_more_images_are_billed_by_a_line_through_measured_ones() -> None:
    sized = MEASURED.model_copy(
        update={
            # 20 ms and 8 for each image, as billed.
            "infer_batch_images": [1, 2, 5, 10],
            "infer_batch_ms": [27.5, 36.0, 59.9, 100.0],
        }
    )
    for images in (1, 4, 10):
        bill = serverless_bill(
            1, sized, replace(ASSUMED, infer_images_per_call=float(images)), PRICES
        )
        gb_s = (0.02 + 0.008 * images) * 2 / images
        assert usd(bill, "Lambda: infer") == pytest.approx(gb_s * 1e6 * 0.0000166667)
        assert usd(bill, "SQS: deleted") == pytest.approx(0.40 / images)
        assert not bill.warnings
    # By default it is as measured: ten in each call.
    assert usd(serverless_bill(1, sized, ASSUMED, PRICES), "SQS: deleted") == pytest.approx(0.04)


def test_calls_larger_than_any_that_was_measured_are_warned_of() -> None:
    single = MEASURED.model_copy(update={"infer_images": [1, 1]})
    ten = replace(ASSUMED, infer_images_per_call=10)
    [warning] = serverless_bill(1, single, ten, PRICES).warnings
    assert warning == "calls of 10 images are reckoned from calls of 1 at most"
    # A line through one size has no fixed part: ten images are ten calls.
    assert usd(serverless_bill(1, single, ten, PRICES), "Lambda: infer") == pytest.approx(
        usd(serverless_bill(1, single, ASSUMED, PRICES), "Lambda: infer")
    )
    with pytest.raises(ValueError, match="is 1 at least"):
        replace(ASSUMED, infer_images_per_call=0.5)


def test_reads_addresses_and_a_load_balancer_can_be_reckoned_on_prem() -> None:
    # Of 20 ms of a vCPU for an image, 5 more are a quarter: 120/s take two and a half hosts.
    reads = replace(ASSUMED, on_prem_read_cpu_ms=5.0)
    bill = on_prem_bill(120, MEASURED, reads, PRICES)
    [line] = [line for line in bill.lines if line.item.startswith("hosts")]
    assert line.units_per_million * 120 * MONTH_S / 1e6 == pytest.approx(3 * 730)
    extras = replace(ASSUMED, public_address_usd=3.0, load_balancer_usd=20.0)
    bill = on_prem_bill(1, MEASURED, extras, PRICES)
    assert usd(bill, "public addresses") == pytest.approx(2 * 3 / MONTH_S * 1e6)
    assert usd(bill, "load balancer") == pytest.approx(20 / MONTH_S * 1e6)


def test_a_bill_says_what_was_not_measured() -> None:
    lacks = MEASURED.model_copy(update={"sweep_ms": [], "api_read_ms": []})
    sweep, read = serverless_bill(1, lacks, ASSUMED, PRICES).warnings
    assert "no sweep was measured" in sweep
    assert "no request for a result was measured" in read
    # That sweeps are called is known all the same.
    requests = usd(serverless_bill(1, lacks, ASSUMED, PRICES), "Lambda: requests")
    assert requests == usd(serverless_bill(1, MEASURED, ASSUMED, PRICES), "Lambda: requests")
    [alone] = serverless_bill(1, lacks, replace(ASSUMED, result_requests=0), PRICES).warnings
    assert alone == sweep
    assert not on_prem_bill(1, lacks, ASSUMED, PRICES).warnings


def test_tiers_are_paid_for_what_is_in_them() -> None:
    price = Price.model_validate(
        {
            **{"usd": 1.0, "unit": "GB", "source": "https://example.org", "checked": True},
            **{"as_of": "2026-01-01"},
            "tiers": [{"above": 10, "usd": 0.5}, {"above": 30, "usd": 0.1}],
        }
    )
    assert list(price.of(np.array([0.0, 10, 20, 30, 40]))) == [0, 10, 15, 20, 21]


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
@pytest.mark.parametrize("per_s", [3.0, 20.0, 100.0])
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


def test_cold_starts_and_the_network_are_billed() -> None:
    cold = MEASURED.model_copy(update={"infer_init_ms": [1000.0], "infer_cold_share": 0.1})
    assert usd(serverless_bill(1, cold, ASSUMED, PRICES), "Lambda: infer") == pytest.approx(
        0.04e6 * 0.0000166667
    )
    far = replace(ASSUMED, network_ms=100.0)
    assert usd(serverless_bill(1, MEASURED, far, PRICES), "Lambda: infer") == pytest.approx(
        0.04e6 * 0.0000166667
    )


def test_every_price_has_its_source_and_its_day() -> None:
    aws, hosts = aws_prices(), host_prices()
    for one in [*aws.prices.values(), *aws.databases.values(), *hosts.hosts.values()]:
        assert one.source.startswith("https://")
        assert one.checked or one.note
    assert all(aws.databases[name] for name in ("db.t4g.micro", "db.m7g.large"))  # serverless.yml's


def test_unknown_names_are_told_with_those_there_are() -> None:
    with pytest.raises(UnknownPrice, match=r"host 'pdp-11'; there are c7i.large"):
        on_prem_bill(1, MEASURED, replace(ASSUMED, host="pdp-11"), PRICES)
    with pytest.raises(UnknownPrice, match=r"database class 'db.huge'"):
        serverless_bill(1, MEASURED, replace(ASSUMED, database_class="db.huge"), PRICES)
    with pytest.raises(ValueError, match="more than 0 are wanted"):
        on_prem_bill(0, MEASURED, ASSUMED, PRICES)


@pytest.mark.parametrize("lost", ["usd = 0.20\n", "as_of = 2026-09-20\n"])
def test_a_price_without_a_field_is_refused(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(AWS.read_text().replace(lost, ""))
    with pytest.raises(BadPriceFile, match=f"lambda_requests.{lost.split()[0]}"):
        aws_prices(path)
    with pytest.raises(BadPriceFile, match=r"none\.toml"):
        host_prices(HOSTS.with_name("none.toml"))


def test_measurements_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(MEASURED.model_dump() | {"infer_images": [1]}))
    with pytest.raises(BadMeasurement, match="2 infer_ms, but 1 infer_images"):
        read_measured(path)


def test_assumptions_can_be_set_and_are_checked() -> None:
    assert assumptions(["hosts_min=3", "host=m7i.large"]) == Assumptions(
        hosts_min=3, host="m7i.large"
    )
    with pytest.raises(ValueError, match="no assumption 'hosts'"):
        assumptions(["hosts=3"])
    with pytest.raises(ValueError, match="hosts_min"):
        assumptions(["hosts_min=many"])


def test_the_command_prints_bills_assumptions_and_what_is_unchecked(tmp_path: Path) -> None:
    (tmp_path / "measured.json").write_text(SMALL.model_dump_json())
    command = [sys.executable, "-m", "bench.cost", "--measured", str(tmp_path / "measured.json")]
    command += ["--loads", "1", "100", "--resamples", "20", "--json", str(tmp_path / "cost.json")]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "CloudWatch: alarms (!)" in shown
    assert "(!): this price is from memory" in shown
    assert "on-prem is the cheaper lane from" in shown
    assert all(name in shown for name, _, _ in Assumptions().told())
    figures = json.loads((tmp_path / "cost.json").read_text())
    assert {(one["lane"], one["images_per_s"]) for one in figures["costs"]} == {
        (lane, load) for lane in ("serverless", "on-prem") for load in (1.0, 100.0)
    }


def test_prices_can_be_put_in_place_of_those_that_come() -> None:
    aws = aws_prices()
    free = aws.price("lambda_x86_64").model_copy(update={"usd": 0.0, "tiers": ()})
    prices = Prices(
        aws.model_copy(update={"prices": aws.prices | {"lambda_x86_64": free}}), host_prices()
    )
    assert usd(serverless_bill(1, MEASURED, ASSUMED, prices), "Lambda: infer") == 0
