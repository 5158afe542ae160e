"""Each price has its source, and files that lack something are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.cost.bill import on_prem_bill, serverless_bill
from bench.cost.months import Prices
from bench.cost.pricing import (
    AWS,
    HOSTS,
    BadPriceFile,
    Price,
    UnknownPrice,
    aws_prices,
    host_prices,
)
from tests.bench.cost.figures import ASSUMED, MEASURED, PRICES, usd


def test_tiers_are_paid_for_what_is_in_them() -> None:
    price = Price.model_validate(
        {
            **{"usd": 1.0, "unit": "GB", "source": "https://example.org", "checked": True},
            **{"as_of": "2026-01-01"},
            "tiers": [{"above": 10, "usd": 0.5}, {"above": 30, "usd": 0.1}],
        }
    )
    assert list(price.of(np.array([0.0, 10, 20, 30, 40]))) == [0, 10, 15, 20, 21]


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


def test_prices_can_be_put_in_place_of_those_that_come() -> None:
    aws = aws_prices()
    free = aws.price("lambda_x86_64").model_copy(update={"usd": 0.0, "tiers": ()})
    prices = Prices(
        aws.model_copy(update={"prices": aws.prices | {"lambda_x86_64": free}}), host_prices()
    )
    assert usd(serverless_bill(1, MEASURED, ASSUMED, prices), "Lambda: infer") == 0


@pytest.mark.parametrize("name", ["data_out", "lambda_logs"])
def test_tiers_that_aws_tells_in_tb_are_binary(name: str) -> None:
    bounds = [tier.above for tier in aws_prices().price(name).tiers]
    assert bounds
    assert all(above % (10 * 1024) == 0 for above in bounds)
