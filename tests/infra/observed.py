"""Which metrics Prometheus' rules and Grafana's dashboards ask for."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from settings import ROOT

FOLDER = ROOT / "infra" / "observability"
NAME = re.compile(r"\b(?:skylane|flower|pg|redis)_[a-z0-9_]+|\bup\b")


def dashboards() -> dict[str, dict[str, Any]]:
    """Return each dashboard by its file's name."""
    return {
        path.name: json.loads(path.read_text()) for path in FOLDER.glob("grafana/dashboards/*.json")
    }


def expressions() -> list[str]:
    """Return every expression of PromQL in them."""
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    return [rule["expr"] for rule in rules] + [
        target["expr"]
        for dashboard in dashboards().values()
        for panel in dashboard["panels"]
        for target in panel["targets"]
        if target.get("expr")
    ]


def names_in_observability() -> set[str]:
    """Return every metric that an expression names; label values in quotes are none."""
    return {
        name
        for expression in expressions()
        for name in NAME.findall(re.sub(r'"[^"]*"', "", expression))
    }
