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
# The most telling come first: a run may be cut off.
FIRST = (
    "worker_killed_between", "sweep_killed", "api_killed_between", "poison_segfault",
    "worker_frozen", "messages_tripled", "broker_lost", "database_killed", "both_killed",
    "clock_stepped_back", "clock_stepped_forth", "workers_killed", "all_killed", "function_killed",
    "poison_memory", "sweeps_at_once", "network_silent",
)  # fmt: skip
BY_DEFAULT = ("worker_killed_between", "broker_lost", "api_killed_between", "database_killed")


def experiments(place: str) -> list[Experiment]:
    """Return the experiments of a place, those of ``FIRST`` before others."""
    if place == "defaults":
        return [REGISTRY[name] for name in BY_DEFAULT]
    here = [one for one in REGISTRY.values() if one.place == place]
    return sorted(here, key=lambda one: FIRST.index(one.name) if one.name in FIRST else len(FIRST))
