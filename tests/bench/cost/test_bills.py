"""Bills are what they are by hand, and behave as bills do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from bench.cost.bill import on_prem_bill, serverless_bill, usd_per_million
from tests.bench.cost.figures import ASSUMED, LOADS, MEASURED, MONTH_S, PRICES, usd


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


def test_cold_starts_and_the_network_are_billed() -> None:
    cold = MEASURED.model_copy(update={"infer_init_ms": [1000.0], "infer_cold_share": 0.1})
    assert usd(serverless_bill(1, cold, ASSUMED, PRICES), "Lambda: infer") == pytest.approx(
        0.04e6 * 0.0000166667
    )
    far = replace(ASSUMED, network_ms=100.0)
    assert usd(serverless_bill(1, MEASURED, far, PRICES), "Lambda: infer") == pytest.approx(
        0.04e6 * 0.0000166667
    )
