"""Prices as dated files, each with its source: `bench/cost/prices/*.toml`."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FOLDER = Path(__file__).parent / "prices"
AWS, HOSTS = FOLDER / "aws-us-east-1.toml", FOLDER / "vm.toml"

Amounts = NDArray[np.float64]
Unit = Literal["GB-s", "million requests", "GB", "GB-month", "hour", "month"]


class PriceError(Exception):
    """Prices cannot be used as they are."""


class BadPriceFile(PriceError):
    """A file of prices cannot be read, or lacks a field."""


class UnknownPrice(PriceError):
    """Nobody has a price for this."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        super().__init__(f"no price for {kind} {name!r}; there are {', '.join(known)}")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(_Strict):
    """What a unit costs beyond ``above`` units a month."""

    above: float = Field(gt=0)
    usd: float = Field(ge=0)


class Price(_Strict):
    """What a unit costs, who says so, and as of when."""

    usd: float = Field(ge=0)
    unit: Unit
    source: str = Field(pattern="^https://")
    as_of: date
    dated: bool = True  # false: the page has no date, and it was looked up on this day
    checked: bool  # false: nobody was found who states it
    note: str = ""
    tiers: tuple[Tier, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Price:
        bounds = [tier.above for tier in self.tiers]
        if bounds != sorted(set(bounds)):
            raise ValueError("tiers are to be in order")
        return self

    def of(self, units_per_month: Amounts) -> Amounts:
        """Return what so many units cost in a month."""
        usd = units_per_month * self.usd
        last_usd = self.usd
        for tier in self.tiers:
            usd = usd + np.maximum(0, units_per_month - tier.above) * (tier.usd - last_usd)
            last_usd = tier.usd
        return np.asarray(usd, dtype=np.float64)


class DatabaseClass(Price):
    """A class of RDS for PostgreSQL, by the hour and zone."""

    sustained_vcpus: float = Field(gt=0)


class Host(Price):
    """A machine that the on-prem lane runs on, by the hour."""

    vcpus: int = Field(gt=0)
    memory_gb: float = Field(gt=0)
    disk_included_gb: float = Field(default=0, ge=0)
    disk_usd_per_gb_month: float = Field(ge=0)
    data_out_usd_per_gb: float = Field(ge=0)


class AwsPrices(_Strict):
    """A region's prices."""

    region: str
    prices: dict[str, Price]
    databases: dict[str, DatabaseClass]

    def price(self, name: str) -> Price:
        """Return a price by name.

        Raises:
            UnknownPrice: there is none.
        """
        return _named("item", self.prices, name)

    def database(self, name: str) -> DatabaseClass:
        """Return a class of databases by name.

        Raises:
            UnknownPrice: there is none.
        """
        return _named("database class", self.databases, name)


class Hosts(_Strict):
    """Machines that can be rented."""

    hosts: dict[str, Host]

    def host(self, name: str) -> Host:
        """Return a host by name.

        Raises:
            UnknownPrice: there is none.
        """
        return _named("host", self.hosts, name)


def aws_prices(path: Path = AWS) -> AwsPrices:
    """Read a region's prices.

    Raises:
        BadPriceFile: it cannot be read, or a field is missing or wrong; the message says which.
    """
    return _read(path, AwsPrices)


def host_prices(path: Path = HOSTS) -> Hosts:
    """Read what hosts cost.

    Raises:
        BadPriceFile: it cannot be read, or a field is missing or wrong; the message says which.
    """
    return _read(path, Hosts)


Model = TypeVar("Model", bound=BaseModel)
Priced = TypeVar("Priced", bound=Price)


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise BadPriceFile(f"{path}: {error}") from error


def _named(kind: str, known: dict[str, Priced], name: str) -> Priced:
    try:
        return known[name]
    except KeyError:
        raise UnknownPrice(kind, name, list(known)) from None
