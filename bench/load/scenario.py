"""A scenario: what is sent, when, for how long, and what is cut off the beginning. A TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.load.arrivals import Arrivals, Trace, scaled
from settings import ROOT

TILES = ROOT / "tests" / "data" / "eurosat"
SCENARIOS = ROOT / "bench" / "scenarios"


class ScenarioError(ValueError):
    """A scenario cannot be read; the message names the file and what is wrong with it."""


class Scenario(BaseModel):
    """What to do to a target, whichever it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    about: str = ""
    duration_s: float = Field(gt=0, description="in which requests are sent")
    arrivals: Arrivals
    images: Path = Field(TILES, description="a folder of images; a path relative to the file's")
    images_per_request: int = Field(1, ge=1, le=1000, description="more than 1: /upload_batch")
    wait_s: float = Field(0.0, ge=0, le=60, description="how long an upload waits for its result")
    timeout_s: float = Field(60.0, gt=0, description="a request that takes longer is given up")
    retries: int = Field(0, ge=0, description="of what was throttled, away or not answered")
    drain_s: float = Field(120.0, gt=0, description="after the last one, for what was accepted")
    warm_up: Literal["none", "mser-5"] | float = Field(
        "none",
        description="what is cut off the beginning: nothing, what the rule MSER-5 says, or so many"
        " seconds",
    )
    seed: int = 1

    def scaled(self, by: float) -> Scenario:
        """Return the same scenario at ``by`` times the rate.

        Raises:
            ScenarioError: more than all of a trace is asked for.
        """
        try:
            return self.model_copy(update={"arrivals": scaled(self.arrivals, by)})
        except ValidationError as error:
            raise ScenarioError(f"{self.name} at {by:g} times its rate: {_told(error)}") from error


def read_scenario(path: Path) -> Scenario:
    """Read a scenario; a name without a suffix is one of those that come with Skylane.

    Raises:
        ScenarioError: there is none, or it is not one.
    """
    if not path.suffix and not path.exists():
        path = SCENARIOS / f"{path}.toml"
    try:
        members = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        names = ", ".join(sorted(one.stem for one in SCENARIOS.glob("*.toml")))
        raise ScenarioError(f"there is no {path}. Those that come with Skylane: {names}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {error}") from error
    try:
        scenario = Scenario.model_validate({"name": path.stem, **members})
    except ValidationError as error:
        raise ScenarioError(f"{path}: {_told(error)}") from error
    changes: dict[str, object] = {"images": path.parent / scenario.images}
    if isinstance(scenario.arrivals, Trace):
        file = path.parent / scenario.arrivals.file
        changes["arrivals"] = scenario.arrivals.model_copy(update={"file": file})
    return scenario.model_copy(update=changes)


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors()
    )
