"""A month's charges in each lane, for many loads at once.

At once, because `bench.cost.break_even` asks for hundreds of them some thousand times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.cost.assumptions import HOURS_PER_MONTH, SECONDS_PER_MONTH, Assumptions
from bench.cost.measured import MS_PER_S, Work
from bench.cost.pricing import Amounts, AwsPrices, Hosts, Price, aws_prices, host_prices

BYTES_PER_GB = 2**30
MILLION = 1e6
DAYS_PER_MONTH = HOURS_PER_MONTH / 24
SWEEPS_PER_MONTH = HOURS_PER_MONTH * 60
ROUNDING = 1e-12  # a load of exactly so many hosts needs no further one


@dataclass(frozen=True)
class Prices:
    """Everything that bills are made with."""

    aws: AwsPrices
    hosts: Hosts


@dataclass(frozen=True)
class Charge:
    """An item of a month, for each of the loads that are asked for."""

    item: str
    unit: str
    units: Amounts
    usd: Amounts
    checked: bool


def all_prices() -> Prices:
    """Read the prices that come with this package.

    Raises:
        BadPriceFile: one cannot be read.
    """
    return Prices(aws_prices(), host_prices())


def serverless_month(
    images_per_s: Amounts, work: Work, assumed: Assumptions, prices: Prices
) -> list[Charge]:
    """Return a month's charges of the serverless lane, for each load."""
    aws = prices.aws
    images = images_per_s * SECONDS_PER_MONTH
    calls, uploads = images * work.infer_calls, images * work.api_calls
    reads = images * assumed.result_requests
    # The pollers ask all the time, and when there is work more often: once for each call.
    asked = np.maximum(assumed.pollers / assumed.poll_s * SECONDS_PER_MONTH, calls)
    bodies = np.ceil(work.image_bytes / work.api_calls / assumed.http_unit_bytes)

    def charge(name: str, *items: tuple[str, Amounts]) -> list[Charge]:
        return _shared(aws.price(name), items)

    def each(name: str, item: str, number: float) -> list[Charge]:
        return charge(name, (item, np.full_like(images, number)))

    return [
        *charge(
            f"lambda_{work.architecture}",
            ("Lambda: infer", images * work.infer_gb_s),
            ("Lambda: api, uploads", images * work.api_gb_s),
            ("Lambda: api, results", reads * work.read_gb_s),
            ("Lambda: sweep", np.full_like(images, SWEEPS_PER_MONTH * work.sweep_gb_s)),
        ),
        *charge(
            "lambda_requests",
            ("Lambda: requests", _millions(calls + uploads + reads + SWEEPS_PER_MONTH)),
        ),
        *charge("http_api_requests", ("API Gateway", _millions(uploads * bodies + reads))),
        *_stored_on_s3(images, work, assumed, aws),
        *charge(
            "sqs_requests",
            # S3 sends each image's event by itself; a call's messages are received and deleted
            # together.
            ("SQS: sent", _millions(images)),
            ("SQS: received, also in vain", _millions(asked)),
            ("SQS: deleted", _millions(calls)),
        ),
        *_rds(images_per_s, work, assumed, aws),
        *charge("lambda_logs", ("CloudWatch: logs", images * work.log_bytes / BYTES_PER_GB)),
        *charge(
            "logs_storage",
            ("CloudWatch: logs kept", _kept_gb(images, work.log_bytes, assumed.log_days)),
        ),
        *each("alarm", "CloudWatch: alarms", assumed.alarms),
        *each("custom_metric", "CloudWatch: metrics", assumed.custom_metrics),
        *each("dashboard", "CloudWatch: dashboard", assumed.dashboards),
        *each("secret", "Secrets Manager", 1),
        *charge("data_out", ("data out", images * work.answer_bytes / BYTES_PER_GB)),
    ]


def on_prem_month(
    images_per_s: Amounts, work: Work, assumed: Assumptions, prices: Prices
) -> list[Charge]:
    """Return a month's charges of the on-prem lane, for each load."""
    host = prices.hosts.host(assumed.host)
    images = images_per_s * SECONDS_PER_MONTH
    hosts = hosts_for(images_per_s, work, assumed, prices)
    own, on_disk = assumed.on_prem_database == "own", assumed.on_prem_images == "disk"
    disk_gb = (
        hosts * assumed.host_disk_gb
        + own * _database_gb(images, assumed)
        + on_disk * _kept_gb(images, work.image_bytes, assumed.days_kept)
    )
    bought_gb = np.maximum(0, disk_gb - hosts * host.disk_included_gb)
    out_gb = images * work.answer_bytes / BYTES_PER_GB
    return [
        *_shared(host, [(f"hosts: {assumed.host}", hosts * HOURS_PER_MONTH)]),
        Charge("disks", "GB-month", disk_gb, bought_gb * host.disk_usd_per_gb_month, host.checked),
        Charge("data out", "GB", out_gb, out_gb * host.data_out_usd_per_gb, host.checked),
        *_monthly("power and hosting", hosts, assumed.power_and_hosting_usd),
        *_monthly("public addresses", hosts, assumed.public_address_usd),
        *_monthly("load balancer", np.ones_like(hosts), assumed.load_balancer_usd),
        *([] if own else _rds(images_per_s, work, assumed, prices.aws)),
        *([] if on_disk else _stored_on_s3(images, work, assumed, prices.aws)),
    ]


def hosts_for(images_per_s: Amounts, work: Work, assumed: Assumptions, prices: Prices) -> Amounts:
    """Return how many hosts it takes, so that none is busier than is wanted."""
    needed = images_per_s / host_images_per_s(work, assumed, prices)
    return np.maximum(assumed.hosts_min, np.ceil(needed * (1 - ROUNDING)))


def host_images_per_s(work: Work, assumed: Assumptions, prices: Prices) -> float:
    """Return what a host passes at the utilisation that is wanted.

    Raises:
        UnknownPrice: nobody has a price for the host.
    """
    vcpus = prices.hosts.host(assumed.host).vcpus
    reads_s = assumed.result_requests * assumed.on_prem_read_cpu_ms / MS_PER_S
    image_s = 1 / work.host_vcpu_images_per_s + reads_s
    return vcpus / image_s * assumed.target_utilisation


def database_bounds(work: Work, assumed: Assumptions, aws: AwsPrices) -> dict[str, float]:
    """Return up to how many images/s each class of databases carries, from the least up.

    Raises:
        UnknownPrice: nobody has a price for the class that is assumed.
    """
    chosen = assumed.database_class
    classes = aws.databases if chosen is None else {chosen: aws.database(chosen)}
    return {
        name: one.sustained_vcpus * assumed.target_utilisation / work.database_cpu_s
        if work.database_cpu_s
        else np.inf
        for name, one in classes.items()
    }


def _monthly(item: str, number: Amounts, usd_each: float) -> list[Charge]:
    return [Charge(item, "month", number, number * usd_each, True)] if usd_each else []


def _stored_on_s3(
    images: Amounts, work: Work, assumed: Assumptions, aws: AwsPrices
) -> list[Charge]:
    stored_gb = _kept_gb(images, work.image_bytes, assumed.days_kept)
    return [
        *_shared(aws.price("s3_put"), [("S3: PUT", _millions(images))]),
        *_shared(aws.price("s3_get"), [("S3: GET", _millions(images))]),
        *_shared(aws.price("s3_storage"), [("S3: images kept", stored_gb)]),
    ]


def _rds(images_per_s: Amounts, work: Work, assumed: Assumptions, aws: AwsPrices) -> list[Charge]:
    bounds = database_bounds(work, assumed, aws)
    names = list(bounds)
    # The least class that carries the load, or the largest there is.
    least = np.searchsorted(list(bounds.values()), images_per_s)
    chosen = np.minimum(least, len(names) - 1)
    hourly_usd = np.array([aws.database(name).usd for name in names])[chosen]
    zones = 2 if assumed.database_multi_az else 1
    hours = np.full_like(images_per_s, HOURS_PER_MONTH * zones)
    gb = zones * _database_gb(images_per_s * SECONDS_PER_MONTH, assumed)
    used = sorted({names[one] for one in chosen})
    item = f"RDS: {used[0] if len(used) == 1 else 'the least class that carries it'}"
    checked = all(aws.database(name).checked for name in used)
    return [
        Charge(item, "hour", hours, hours * hourly_usd, checked),
        *_shared(aws.price("database_storage"), [("RDS: disk", gb)]),
    ]


def _database_gb(images: Amounts, assumed: Assumptions) -> Amounts:
    kept_gb = _kept_gb(images, assumed.row_bytes, assumed.days_kept)
    return np.maximum(assumed.database_gb_min, kept_gb)


def _kept_gb(images: Amounts, bytes_each: float, days: float) -> Amounts:
    """Return what lies there when as much goes as comes: a month's images, for so long."""
    return images * bytes_each / BYTES_PER_GB * days / DAYS_PER_MONTH


def _millions(number: Amounts) -> Amounts:
    return number / MILLION


def _shared(price: Price, items: Sequence[tuple[str, Amounts]]) -> list[Charge]:
    """Charge items that count together for a price's tiers, each by its part."""
    units = sum((one for _, one in items), np.zeros(1))
    usd_each = price.of(units) / np.where(units > 0, units, 1)
    return [Charge(item, price.unit, one, one * usd_each, price.checked) for item, one in items]
