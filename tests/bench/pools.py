"""The environments of a function that does what it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.lambda_lane.functions import Function, ScalingRate
from bench.lambda_lane.invocations import Ledger
from bench.lambda_lane.pool import Pool
from bench.lambda_lane.trouble import Trouble

LIMIT_S = 40.0


def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline_s = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline_s, "it did not come true"
        time.sleep(0.02)


@contextmanager
def pool_of(
    folder: Path,
    *,
    concurrency: int = 10,
    timeout_s: float = 10,
    keep_alive_s: float = 60,
    env: Mapping[str, str] | None = None,
    scaling: ScalingRate | None = None,
    trouble: Trouble | None = None,
) -> Iterator[Pool]:
    """Give the environments of a function `infer`, of which there are none at first."""
    function = Function("infer", "tests.bench.handlers.handler", 1769, timeout_s, concurrency)
    scaling = scaling or ScalingRate(1000, 10)
    pool = Pool(
        function,
        env or {},
        folder,
        Ledger(),
        keep_alive_s=keep_alive_s,
        scaling=scaling,
        trouble=trouble,
    )
    try:
        yield pool
    finally:
        pool.close()
