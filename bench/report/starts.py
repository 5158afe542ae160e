"""Cold starts: medians with their intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from api.report import ColdStart, ColdStartStep, Interval
from bench.cold_starts import STEPS
from bench.intervals import quantile
from bench.report.found import Found

NAMES = {"first": "first prediction"}


def cold_starts(found: Found) -> list[ColdStart]:
    """Return the starts of a worker, and of functions by memory. What failed is left out."""
    return [
        ColdStart.model_validate(
            {
                "lane": one.lane,
                "backend": one.backend,
                "memory_mb": one.memory_mb,
                "starts": len(one.init_ms),
                "init_ms": median(one.init_ms),
                "first_ms": median(one.first_ms),
                "warm_ms": median(one.warm_ms) if one.warm_ms else None,
            }
        )
        for one in found.lane_starts
        if not one.failed
    ]


def cold_start_steps(found: Found) -> list[ColdStartStep]:
    """Return where the start of a process that predicts goes, by backend and memory."""
    by_case: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    for one in found.cold_starts:
        by_case[one.backend, one.memory_mb].append(one.step_ms)
    return [
        ColdStartStep(
            backend=backend,
            memory_mb=memory_mb,
            step=NAMES.get(step, step),
            ms=median([one[step] for one in starts]),
        )
        for (backend, memory_mb), starts in sorted(by_case.items())
        for step in STEPS
        if step != "second"
    ]


def failures(found: Found) -> list[str]:
    """Return in words what did not start."""
    return [f"{one.memory_mb} MB: {one.failed}" for one in found.lane_starts if one.failed]


def median(samples: Sequence[float]) -> Interval:
    """Return a median; with its bounds where there are enough samples for them."""
    if (known := quantile(samples, 0.5)) is None:
        return Interval(value=round(float(np.median(samples)), 2))
    return Interval(value=round(known.value, 2), low=round(known.low, 2), high=round(known.high, 2))
