"""How much of a run's beginning does not count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.load.outcomes import Outcome
from bench.load.scenario import Scenario

BATCH = 5  # observations that MSER-5 takes together
LEAST = 20  # batches: of fewer, nothing can be told
# Of the last batches, so many are no place for a cut: a few that happen to be alike would have the
# least error of all.
END = 10


def cut(outcomes: Sequence[Outcome], scenario: Scenario) -> int:
    """Return how many of the outcomes, which are in order of their schedule, are warm-up."""
    if scenario.warm_up == "none":
        return 0
    if scenario.warm_up == "mser-5":
        return mser_5([one.committed_ms for one in outcomes])
    return sum(one.scheduled_s < scenario.warm_up for one in outcomes)


def mser_5(latencies_ms: Sequence[float | None]) -> int:
    """Return how many observations to drop so that the mean of the rest is known best.

    Those that are None, of images that were not committed, are passed over.

    White, *An Effective Truncation Heuristic for Bias Reduction in Simulation Output*, 1997: of
    means of five, drop those whose absence gives the least standard error. A best cut in the second
    half says that the run never became steady, and then nothing is dropped.
    """
    places = [place for place, one in enumerate(latencies_ms) if one is not None]
    known = [one for one in latencies_ms if one is not None]
    whole = len(known) // BATCH
    if whole < LEAST:
        return 0
    means = np.asarray(known[: whole * BATCH]).reshape(whole, BATCH).mean(axis=1)
    left = np.arange(whole, 0, -1)
    sums, squares = np.cumsum(means[::-1])[::-1], np.cumsum(means[::-1] ** 2)[::-1]
    error = (squares - sums**2 / left) / left**2
    best = int(np.argmin(error[: whole - END]))
    return places[best * BATCH] if 0 < best < whole // 2 else 0
