"""All experiments, and the places that they are made at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.chaos import (
    faults_broker,
    faults_clock,
    faults_network,
    faults_poison,
    faults_programs,
    faults_stores,
    serverless,
    whole,
)
from tests.chaos.experiment import REGISTRY, Experiment, Place
from tests.chaos.world import QUICK, World

MODULES = (faults_programs, faults_broker, faults_network, faults_stores, faults_clock,
           faults_poison, whole, serverless)  # fmt: skip

PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "on-prem": lambda home: World(home, **QUICK),
    "whole": whole.running,
    "serverless": serverless.running,
    "defaults": World,
}
# Made once more, with few seeds, at settings as they are by default: what was in hand waits long.
BY_DEFAULT = ("worker_killed_between", "broker_lost", "api_killed_between", "database_killed")


def experiments(place: str) -> list[Experiment]:
    """Return the experiments of a place, in the order of their modules."""
    if place == "defaults":
        return [REGISTRY[name] for name in BY_DEFAULT]
    return [one for one in REGISTRY.values() if one.place == place]
