"""Prometheus finds every program of a stack, and every figure that a dashboard shows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.compose import Project, docker
from local.ports import free_ports
from settings import ROOT
from tests.infra.observed import names_in_observability
from tests.stack import until

pytestmark = pytest.mark.skipif(
    "SKYLANE_COMPOSE" not in os.environ, reason="./test-compose runs these"
)

PUBLISHED, STAND_IN = "prom/prometheus:v3.5.0", "skylane-test-prometheus"


def image() -> str:
    """Return the published image where it can be had, or one with Debian's Prometheus."""
    pulled = subprocess.run(["docker", "pull", "--quiet", PUBLISHED], capture_output=True)
    if pulled.returncode == 0:
        return PUBLISHED
    here = ROOT / "tests" / "compose"
    docker("build", "-q", "-t", STAND_IN, "-f", str(here / "prometheus.Dockerfile"), str(here))
    return STAND_IN


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str]]:
    """Bring up all but what cannot be pulled, with two workers and one Prometheus."""
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    up = Project(
        tmp_path_factory.mktemp("monitoring"), "skylane-test-watch",
        PROMETHEUS_IMAGE=image(), PROMETHEUS_ADDRESS=address,
    )  # fmt: skip
    try:
        up.compose("up", "--detach", "--wait", "--scale=worker=2")
        up.compose("--profile", "observability", "up", "--detach", "--no-recreate", "prometheus")
        until(lambda: is_ready(f"http://{address}"), limit_s=60)
        yield up, f"http://{address}"
    finally:
        up.compose("--profile", "observability", "down", "--volumes", "--timeout=10")


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=9).ok
    except requests.ConnectionError:
        return False


def ask(url: str, path: str, **parameters: str) -> Any:
    answer = requests.get(f"{url}/api/v1/{path}", params=parameters, timeout=9)
    assert answer.ok, answer.text
    return answer.json()["data"]


def test_each_program_is_found_however_many_there_are(project: tuple[Project, str]) -> None:
    _, url = project

    def found() -> bool:
        targets = ask(url, "targets")["activeTargets"]
        up = [one["labels"]["job"] for one in targets if one["health"] == "up"]
        return sorted(up) == ["api", "flower", "sweep", "worker", "worker"]

    until(found, limit_s=90)


def test_every_figure_that_is_shown_or_watched_exists(
    project: tuple[Project, str], tiles: list[Path]
) -> None:
    up, url = project
    for data in (tiles[0].read_bytes(), b"\xff\xd8\xff\xe0 a beginning"):
        requests.post(
            f"{up.url}/upload?wait=30",
            data=data,
            headers={"Content-Type": "image/jpeg", **up.headers},
            timeout=60,
        )
    wanted = {name for name in names_in_observability() if not name.startswith(("pg_", "redis_"))}
    assert len(wanted) > 20

    def missing() -> set[str]:
        return wanted - set(ask(url, "label/__name__/values"))

    until(lambda: not missing(), limit_s=60)


def rules(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(url, "rules")["groups"][0]["rules"]
    return found


def test_no_alert_is_about_what_is_well(project: tuple[Project, str]) -> None:
    _, url = project
    until(lambda: {rule["health"] for rule in rules(url)} == {"ok"}, limit_s=60)
    firing = {rule["name"] for rule in rules(url) if rule["state"] != "inactive"}
    assert firing <= {"TargetDown"}  # the exporters', which are not up here


def test_a_program_that_is_gone_is_missed(project: tuple[Project, str]) -> None:
    up, url = project
    up.compose("stop", "sweep")

    def missed() -> bool:
        [rule] = [rule for rule in rules(url) if rule["name"] == "ProgramGone"]
        return {one["labels"]["job"] for one in rule["alerts"]} == {"sweep"}

    until(missed, limit_s=90)
