"""When images come, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TOGETHER_S = 0.001  # what comes within this is one event of the simulation


@dataclass(frozen=True)
class Outcomes:
    """When each image, in the order of scheduling, was accepted and committed; NaN for never.

    ``batch_images``: how many were in its batch. ``environments``: in the serverless lane, when
    their number changed (s), and what it was then, by function.
    """

    lane: str
    scheduled_s: Floats
    accepted_s: Floats
    committed_s: Floats
    batch_images: NDArray[np.int64]
    environments: dict[str, tuple[Floats, NDArray[np.int64]]]

    @property
    def done(self) -> NDArray[np.bool_]:
        """Which images were committed."""
        return np.isfinite(self.committed_s)

    @property
    def latency_ms(self) -> Floats:
        """From accepted to committed, of each image that was."""
        return np.asarray((self.committed_s - self.accepted_s)[self.done] * 1000)

    @property
    def total_ms(self) -> Floats:
        """From scheduled to committed, of each image that was."""
        return np.asarray((self.committed_s - self.scheduled_s)[self.done] * 1000)

    def backlog(self, at_s: Floats) -> NDArray[np.int64]:
        """Return how many images were accepted and not committed, at each of these moments."""
        accepted, committed = np.sort(self.accepted_s), np.sort(self.committed_s)
        there = np.searchsorted(accepted, at_s, side="right")
        gone = np.searchsorted(committed, at_s, side="right")
        return np.asarray(there - gone, dtype=np.int64)

    def after(self, images: int) -> Outcomes:
        """Return what became of all but the first so many."""
        return replace(
            self,
            scheduled_s=self.scheduled_s[images:],
            accepted_s=self.accepted_s[images:],
            committed_s=self.committed_s[images:],
            batch_images=self.batch_images[images:],
        )

    @property
    def recovered_s(self) -> float:
        """When the last image was committed; 0 if there is none."""
        return float(self.committed_s[self.done].max()) if self.done.any() else 0.0


def poisson(per_s: float, seconds: float, rng: np.random.Generator) -> Floats:
    """Return the arrivals of a Poisson process."""
    number = rng.poisson(per_s * seconds)
    return np.sort(rng.uniform(0, seconds, number))


def groups(arrivals_s: Floats, together_s: float = TOGETHER_S) -> Iterator[tuple[float, int, int]]:
    """Yield what comes together: when the last of it is there, and its images as ``[first, end)``.

    Raises:
        ValueError: the arrivals are not in order.
    """
    if np.any(np.diff(arrivals_s) < 0):
        raise ValueError("arrivals are to be in order")
    ends = np.append(
        np.flatnonzero(np.diff(np.floor(arrivals_s / together_s))) + 1, len(arrivals_s)
    )
    first = 0
    for end in ends:
        if end > first:
            yield float(arrivals_s[end - 1]), first, int(end)
        first = int(end)
