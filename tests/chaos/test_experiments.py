"""A small burst of each experiment, at one seed; `./test-chaos` has many, and large ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.burst import SMALL
from tests.chaos.experiment import Place, several
from tests.chaos.registry import PLACES, experiments

SEED = 1
QUICK_PLACES = [place for place in PLACES if place != "defaults"]  # which waits for half a minute


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Run a place for all of its experiments."""
    with PLACES[request.param](tmp_path_factory.mktemp("chaos") / "home") as running:
        yield running


@pytest.mark.parametrize(
    ("place", "name"),
    [(place, one.name) for place in QUICK_PLACES for one in experiments(place)],
    indirect=["place"],
    scope="module",
)
def test_nothing_is_lost_and_nothing_done_twice(place: Place, name: str) -> None:
    [one] = [one for where in QUICK_PLACES for one in experiments(where) if one.name == name]
    if one.impossible():
        pytest.skip("not on this machine")
    [outcome] = several(place, one, iter([SEED]), SMALL)
    assert outcome.accepted > SMALL.singles
    assert (outcome.lost, outcome.duplicated, outcome.troubles) == (0, 0, [])
