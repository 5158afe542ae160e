"""Dashboards and alerts show what is there."""

from __future__ import annotations

import yaml
from prometheus_client import REGISTRY

from api import metrics as api_metrics
from settings import ROOT
from store.records import NO_PREDICTION, Outcome
from tasks import measures, metrics
from tests.infra.observed import FOLDER, dashboards, names_in_observability

# Of programs that are not ours. tests/compose asks a real Prometheus for them as well.
FLOWER = {"flower_events_total"}
PROMETHEUS = {"up"}


def exported() -> set[str]:
    """Return what the API, a worker and the sweep export, by their own registries."""
    found = {measures.GIVEN_UP}
    metrics.tell([Outcome(key="a", version="", error_code="x"), Outcome(key="b", version="")])
    for registry in (api_metrics.own, REGISTRY):
        for family in registry.collect():
            found |= {sample.name for sample in family.samples} | {family.name}
            if family.type == "counter":
                found.add(f"{family.name}_total")
            if family.type == "histogram":
                found |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return found | set(api_metrics.QUEUE_NAMES)


def test_every_panel_and_alert_asks_for_what_is_exported() -> None:
    assert names_in_observability() - exported() - FLOWER - PROMETHEUS == set()
    assert len(names_in_observability()) > 20


def test_images_that_a_model_gives_no_prediction_of_are_told_apart() -> None:
    names = (measures.UNPREDICTED, measures.DONE)
    before = [REGISTRY.get_sample_value(name) for name in names]
    assert None not in before  # an alert sees a counter rise, not begin
    codes = (NO_PREDICTION, "undecodable", NO_PREDICTION, None)
    metrics.tell([Outcome(key=f"{n}", version="", error_code=one) for n, one in enumerate(codes)])
    after = [REGISTRY.get_sample_value(name) for name in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 1]  # type: ignore[operator]


def test_cloudwatch_panels_ask_for_what_the_functions_tell() -> None:
    told = [
        target["metricName"]
        for panel in dashboards()["lanes.json"]["panels"]
        for target in panel["targets"]
        if "metricName" in target
    ]
    assert set(told) <= measures.NAMES
    assert len(told) > 10


def test_panels_have_places_of_their_own() -> None:
    for dashboard in dashboards().values():
        taken = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in dashboard["panels"]]
        assert len(set(taken)) == len(taken) == len({one["id"] for one in dashboard["panels"]})
        assert all(one["gridPos"]["x"] + one["gridPos"]["w"] <= 24 for one in dashboard["panels"])


def test_what_is_asked_is_a_service_of_compose() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    asked = {
        name.split(":")[0]
        for job in jobs
        for group in job.get("dns_sd_configs", []) + job.get("static_configs", [])
        for name in group.get("names", []) + group.get("targets", [])
    }
    assert asked <= set(services)
    assert {"api", "worker", "sweep", "flower"} <= asked
