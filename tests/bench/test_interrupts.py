"""Who is asked to end leaves no process behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bench.comparison.plan import LANES
from local.interrupts import interruptible
from settings import ROOT
from tests.bench.pools import LIMIT_S, until

IGNORING = 'trap "" INT; exec "$0" "$@"'  # as what a shell starts in the background does


def first(lane: str) -> int:
    """Return a seed by which a comparison begins with a lane."""
    return next(
        seed for seed in range(100) if random.Random(seed).sample(LANES, len(LANES))[0] == lane
    )


def those_of(folder: Path) -> dict[int, str]:
    """Return who has a folder in its command line or variables, and was not there before it."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            told = [*process.cmdline(), *process.environ().values()]
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in " ".join(told):
                found[process.pid] = " ".join(process.cmdline())
    return found


@pytest.mark.parametrize(
    ("lane", "has", "number"),
    [
        ("on-prem", "postgres", signal.SIGINT),
        ("serverless", "awslambdaric", signal.SIGTERM),
    ],
)
def test_a_comparison_that_is_asked_to_end_leaves_no_process(
    tmp_path: Path, lane: str, has: str, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "cli", "bench", "compare", "--quick"]
    command += [f"--seed={first(lane)}", f"--out={tmp_path / 'new'}"]
    process = subprocess.Popen(
        ["/bin/sh", "-c", IGNORING, *command],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: any(has in told for told in those_of(tmp_path).values()))
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.send_signal(number)
        status = process.wait(LIMIT_S)
    assert children
    assert status == 130
    assert those_of(tmp_path) == {}
    assert psutil.wait_procs(children, timeout=1)[1] == []
    for folder in ("skylane-bench-*", "skylane-compare-*"):
        assert not list(tmp_path.glob(folder))


def test_signals_interrupt_once_and_are_then_as_they_were() -> None:
    before = {number: signal.getsignal(number) for number in signal.Signals}
    reached = []

    @interruptible()
    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)  # while it ends
            reached.append("its end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["its end"]
    assert {number: signal.getsignal(number) for number in signal.Signals} == before
