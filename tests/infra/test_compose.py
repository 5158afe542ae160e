"""compose.yaml by what is written in it; tests/compose has it on a real engine."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from local.access import check_flower
from settings import ROOT, Settings

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())[
    "services"
]
KEY = "SKYLANE_INITIAL_KEY"
# Of servers that are not ours: those that give their volume to a user of their own, and become it.
BEGINS_AS_ROOT = {"postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", [])) == BEGINS_AS_ROOT.get(name, set())
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "network_mode", "devices"} & set(service)


@pytest.mark.parametrize("image", ["serve", "s3"])
def test_an_image_of_ours_runs_as_nobodys_root(image: str) -> None:
    text = (ROOT / "infra" / "docker" / f"{image}.Dockerfile").read_text()
    last_stage = re.split(r"^FROM ", text, flags=re.MULTILINE)[-1]
    assert re.findall(r"^USER (\w+)", last_stage, re.MULTILINE)[-1:] not in ([], ["root"])


def test_the_first_key_is_for_the_migration_alone() -> None:
    knows = {name for name, one in SERVICES.items() if KEY in one.get("environment", {})}
    assert knows == {"migrate"}


def test_what_listens_for_others_asks_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    api, flower = SERVICES["api"]["environment"], SERVICES["flower"]["environment"]
    assert api["SKYLANE_ACCESS"] is None  # the operator's own word, or the default
    assert Settings(host=api["SKYLANE_HOST"]).keys_required
    check_flower(
        Settings(
            flower_host=flower["SKYLANE_FLOWER_HOST"],
            flower_basic_auth=flower["SKYLANE_FLOWER_BASIC_AUTH"],
        )
    )


def test_only_the_api_and_what_shows_figures_are_published_and_on_loopback() -> None:
    published = {
        name: port.rpartition(":")[2]
        for name, one in SERVICES.items()
        for port in one.get("ports", [])
        if re.search(r":-127\.0\.0\.1:\d+\}", port)
    }
    assert published == {"api": "8000", "flower": "5555", "prometheus": "9090", "grafana": "3000"}
    assert {name for name, one in SERVICES.items() if "ports" in one} == set(published)
