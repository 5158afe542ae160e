"""When requests are due: the shapes that a load can have. All times are decided beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bench.load.traces import read_trace

Times = NDArray[np.float64]  # seconds from the beginning, in order
Rate = Annotated[float, Field(ge=0, le=1e6, description="requests a second")]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def times_s(self, duration_s: float, rng: np.random.Generator) -> Times:
        """Return when requests are due, from 0 on and before ``duration_s``."""
        raise NotImplementedError


class Constant(_Shape):
    """One after the other at the same distance."""

    kind: Literal["constant"]
    rate_per_s: Rate

    def times_s(self, duration_s: float, rng: np.random.Generator) -> Times:
        """Return them; nothing is left to chance."""
        return np.arange(0, math.ceil(duration_s * self.rate_per_s)) / max(self.rate_per_s, 1e-12)


class Poisson(_Shape):
    """Many who know nothing of each other: distances are exponential."""

    kind: Literal["poisson"]
    rate_per_s: Rate

    def times_s(self, duration_s: float, rng: np.random.Generator) -> Times:
        """Return them, by chance."""
        return _thinned(
            lambda at: np.full_like(at, self.rate_per_s), self.rate_per_s, duration_s, rng
        )


class Ramp(_Shape):
    """Poisson, at a rate that rises or falls evenly."""

    kind: Literal["ramp"]
    from_per_s: Rate
    to_per_s: Rate

    def times_s(self, duration_s: float, rng: np.random.Generator) -> Times:
        """Return them, by chance."""
        slope = (self.to_per_s - self.from_per_s) / duration_s
        most = max(self.from_per_s, self.to_per_s)
        return _thinned(lambda at: self.from_per_s + slope * at, most, duration_s, rng)


class Steps(_Shape):
    """Poisson, at one rate after another, each for as long."""

    kind: Literal["steps"]
    rates_per_s: list[Rate] = Field(min_length=1)

    def times_s(self, duration_s: float, rng: np.random.Generator) -> Times:
        """Return them, by chance."""
        rates = np.asarray(self.rates_per_s)
        each_s = duration_s / len(rates)
        return _thinned(
            lambda at: rates[np.minimum((at / each_s).astype(int), len(rates) - 1)],
            float(rates.max()),
            duration_s,
            rng,
        )


class Burst(_Shape):
    """So many at once, or evenly within ``over_s``, on a quiet background."""

    kind: Literal["burst"]
    requests: int = Field(ge=1)
    at_s: float = Field(default=0.0, ge=0)
    over_s: float = Field(default=0.0, ge=0)
    base_per_s: Rate = 0.0

    def times_s(self, duration_s: float, rng: np.random.Generator) -> Times:
        """Return them; the background is Poisson.

        Raises:
            ValueError: the burst would go on beyond the end.
        """
        if self.at_s + self.over_s >= duration_s:
            raise ValueError(
                f"the burst ends at {self.at_s + self.over_s:g} s: duration_s = {duration_s:g} has"
                " to be more"
            )
        burst = self.at_s + np.arange(self.requests) * (self.over_s / self.requests)
        base = Poisson(kind="poisson", rate_per_s=self.base_per_s).times_s(duration_s, rng)
        return np.sort(np.concatenate([burst, base]))


class OnOff(_Shape):
    """Poisson at one rate for a while, then at another, again and again."""

    kind: Literal["on-off"]
    on_per_s: Rate
    on_s: float = Field(gt=0)
    off_per_s: Rate = 0.0
    off_s: float = Field(gt=0)

    def times_s(self, duration_s: float, rng: np.random.Generator) -> Times:
        """Return them, by chance."""
        period_s = self.on_s + self.off_s
        return _thinned(
            lambda at: np.where(at % period_s < self.on_s, self.on_per_s, self.off_per_s),
            max(self.on_per_s, self.off_per_s),
            duration_s,
            rng,
        )


class Trace(_Shape):
    """What a real platform saw. See `bench.load.traces` for the formats.

    ``speed`` minutes of it pass in one; of its requests ``share`` are sent, each with that
    probability. ``from_s`` is where to begin in it. A relative path is the scenario file's.
    """

    kind: Literal["trace"]
    file: Path
    speed: float = Field(default=1.0, gt=0)
    share: float = Field(default=1.0, gt=0, le=1)
    from_s: float = Field(default=0.0, ge=0)

    def times_s(self, duration_s: float, rng: np.random.Generator) -> Times:
        """Return them, by chance.

        Raises:
            TraceError: the file is none of the formats that are known.
        """
        found = (read_trace(self.file, rng) - self.from_s) / self.speed
        found = found[(found >= 0) & (found < duration_s)]
        return found[rng.random(len(found)) < self.share]


Arrivals = Annotated[
    Constant | Poisson | Ramp | Steps | Burst | OnOff | Trace, Field(discriminator="kind")
]


def scaled(arrivals: Arrivals, by: float) -> Arrivals:
    """Return the same shape at ``by`` times the rate. Of a burst it is the requests.

    Raises:
        ValueError: more than all of a trace is asked for.
    """
    changes: dict[str, object] = {}
    for name, value in arrivals:
        if name.endswith("_per_s"):
            changes[name] = [one * by for one in value] if isinstance(value, list) else value * by
        elif name == "requests":
            changes[name] = max(1, round(value * by))
        elif name == "share":
            changes[name] = value * by
    return type(arrivals).model_validate(arrivals.model_dump() | changes)


def _thinned(
    rate_per_s: Callable[[Times], Times],
    most_per_s: float,
    duration_s: float,
    rng: np.random.Generator,
) -> Times:
    """Return a Poisson process whose rate varies: Lewis and Shedler, 1979, algorithm 1."""
    candidates = np.sort(rng.uniform(0, duration_s, rng.poisson(most_per_s * duration_s)))
    kept = rng.uniform(0, most_per_s, len(candidates)) < rate_per_s(candidates)
    return candidates[kept]
