"""The manifests are what Kubernetes' own schema says, and as locked down as the containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from local.programs import PROGRAMS
from settings import ROOT, Settings
from store.database import Database
from store.predictions import Predictions
from store.references import Reference

FOLDER = ROOT / "infra" / "kubernetes"
VERSION = "1.34"
OTHERS = ("keda.sh/v1alpha1", "kustomize.config.k8s.io/v1beta1")  # of which there is no schema here


def documents() -> Iterator[dict[str, Any]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


def pods() -> dict[str, dict[str, Any]]:
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in documents()
        if one["kind"] == "Deployment"
    }


@pytest.mark.parametrize(
    "document",
    [one for one in documents() if one["apiVersion"] not in OTHERS],
    ids=lambda one: f"{one['kind']} {one['metadata']['name']}",
)
def test_the_schema_knows_every_field(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_every_file_is_applied_and_every_program_runs() -> None:
    [kustomization] = [one for one in documents() if one["kind"] == "Kustomization"]
    files = {path.name for path in FOLDER.glob("*.yaml")}
    assert set(kustomization["resources"]) == files - {"kustomization.yaml"}
    started = {pod["containers"][0]["args"][0] for pod in pods().values()}
    assert started == {*PROGRAMS}


def test_new_code_finds_its_schema() -> None:
    for name in ("api", "worker", "sweep"):
        [first] = pods()[f"skylane-{name}"]["initContainers"]
        assert first["args"] == ["migrate"]


def test_a_secret_of_one_program_is_given_to_no_other() -> None:
    given = [
        (source["secretRef"]["name"], name, container["name"])
        for name, pod in pods().items()
        for container in pod["containers"] + pod.get("initContainers", [])
        for source in container["envFrom"]
        if "secretRef" in source
    ]
    assert sorted(one for one in given if one[0] != "skylane") == [
        ("skylane-first-key", "skylane-api", "migrate"),
        ("skylane-flower", "skylane-flower", "flower"),
    ]


@pytest.mark.parametrize("name", pods())
def test_a_pod_is_locked_down(name: str) -> None:
    pod = pods()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    # A Service skylane-api would set SKYLANE_API_PORT to "tcp://…", and nothing would start.
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"] + pod.get("initContainers", []):
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_settings_are_ones_that_there_are() -> None:
    [settings] = [one for one in documents() if one["kind"] == "ConfigMap"]
    known = {f"SKYLANE_{name.upper()}" for name in Settings.model_fields}
    assert set(settings["data"]) <= known


def test_what_scales_is_there_and_is_asked_what_the_table_can_tell(
    predictions: Predictions, database: Database, accept: Callable[..., list[Reference]]
) -> None:
    scaled, authentication = (one for one in documents() if one["apiVersion"] == OTHERS[0])
    [trigger] = scaled["spec"]["triggers"]
    assert scaled["spec"]["scaleTargetRef"]["name"] in pods()
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    references = accept(7)
    predictions.claim(references[:2], "w", 30)
    [[unfinished]] = [row.values() for row in database.query(trigger["metadata"]["query"])]
    assert unfinished == 7
