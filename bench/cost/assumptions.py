"""What the bills suppose and nobody measured. It is printed with them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

SECONDS_PER_MONTH = 730 * 3600  # AWS's month of 730 hours
HOURS_PER_MONTH = 730


def _says(default: Any, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Assumptions:
    """Each field says what it is about; ``told`` yields all of that."""

    # Both lanes keep the same, for as long.
    days_kept: float = _says(30, "images and rows are kept so long (imagesKeptDays of dev)")
    row_bytes: float = _says(1_000, "a row with its share of the indexes, on the database's disk")
    database_gb_min: float = _says(20, "the least disk of a database (AllocatedStorage)")
    target_utilisation: float = _says(
        0.6, "of what a host or a database can do, so that waiting stays short and a peak fits in"
    )

    # Serverless. The numbers of things are those of infra/resources and lambda_adapters.
    database_class: str | None = _says(
        None, "of RDS; none: the least that carries the load by the CPU time PostgreSQL takes"
    )
    database_multi_az: bool = _says(
        False, "a second database in another zone; prod has it, and on-prem has no standby either"
    )
    result_requests: float = _says(
        1.0,
        "requests with which a client gets an image's result, after an answer of 202; of on-prem"
        " they take on_prem_read_cpu_ms each, as what it passes was measured without any",
    )
    infer_images_per_call: float | None = _says(
        None,
        "images that a call of infer has, at any load; none: as measured, which is without load,"
        " where it is nearly one. Up to 10 come together as the load grows, and are cheaper",
    )
    network_ms: float = _says(
        0.0, "added to each invocation, for stores that were on loopback when it was measured"
    )
    pollers: int = _says(5, "long polls of Lambda's on a queue that is idle")
    poll_s: float = _says(20.0, "how long each of them waits")
    http_unit_bytes: float = _says(512 * 1024, "what API Gateway counts as one request")
    alarms: int = _says(8, "of CloudWatch")
    custom_metrics: int = _says(11, "of CloudWatch: ten of infer, one of the sweep")
    dashboards: int = _says(1, "of CloudWatch")
    log_days: float = _says(7, "that logs are kept (logRetentionDays of dev)")

    # On-prem.
    host: str = _says("c7i.large", "of prices/vm.toml; its vCPUs pass what the measured ones did")
    hosts_min: int = _says(
        2,
        "each passes what one passed that all of it ran on; Redis and PostgreSQL are on one of them"
        " without a standby, so the others can fail, and that one cannot",
    )
    on_prem_read_cpu_ms: float = _says(
        0.0, "of a host's vCPU for each of result_requests; nobody measured it"
    )
    host_disk_gb: float = _says(20, "of each host, for system and programs")
    on_prem_database: Literal["own", "rds"] = _says(
        "own", "PostgreSQL on the hosts, without a standby, as it was measured; or RDS as above"
    )
    on_prem_images: Literal["disk", "s3"] = _says(
        "disk", "on the hosts' disks, shared by an S3-compatible store that costs nothing else"
    )
    power_and_hosting_usd: float = _says(0.0, "for each host and month, where it is not rented")
    public_address_usd: float = _says(
        0.0, "for each host's public IPv4 address and month; AWS and others charge for those"
    )
    load_balancer_usd: float = _says(
        0.0, "a month, for what spreads uploads over the hosts; serverless has API Gateway"
    )

    def __post_init__(self) -> None:
        """Check what can be wrong.

        Raises:
            ValueError: a call of infer would have less than an image.
        """
        if self.infer_images_per_call is not None and self.infer_images_per_call < 1:
            raise ValueError("infer_images_per_call is 1 at least")

    def told(self) -> Iterator[tuple[str, object, str]]:
        """Yield each assumption's name, value and meaning."""
        for one in fields(self):
            yield one.name, getattr(self, one.name), one.metadata["about"]


def assumptions(settings: list[str]) -> Assumptions:
    """Return the assumptions with ``NAME=VALUE`` of each setting in place of the default.

    Raises:
        ValueError: there is no such assumption, or the value does not fit it.
    """
    known = [one.name for one in fields(Assumptions)]
    values: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in known:
            raise ValueError(f"no assumption {name!r}; there are {', '.join(known)}")
        values[name] = value
    try:
        assumed = TypeAdapter(Assumptions).validate_python(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ValueError(f"{wrong['loc'][0]}={wrong['input']}: {wrong['msg']}") from error
    for name in values:
        value = getattr(assumed, name)
        if isinstance(value, int | float) and not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name}={value}: 0 or more is wanted")
    for name in ("target_utilisation", "poll_s", "http_unit_bytes", "hosts_min"):
        if not getattr(assumed, name):
            raise ValueError(f"{name}=0: more than 0 is wanted")
    if assumed.target_utilisation > 1:
        raise ValueError(f"target_utilisation={assumed.target_utilisation}: 1 is all of a host")
    return assumed
