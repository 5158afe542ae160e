"""Decodes inputs in a process of its own, and tells of each what it came to and what it cost.

python -m tests.fuzz.child SEED NUMBER... writes, for each input, its number on a line, and then
the line's rest: outcome, CPU milliseconds, megabytes that the process grew by. A process that
dies leaves the number of its last input without the rest.
"""

from __future__ import annotations

import re
import resource
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from model.images import TILE_PX, ImageError, decode
from tests.fuzz.inputs import made

# Far over what is allowed: these are for what never ends, and so that it harms nobody else.
HANGS_CPU_S = 20.0
ADDRESS_SPACE_BYTES = 3 << 30
STATUS = Path("/proc/self/status")
ACCEPTED = "accepted"
BROKEN = "!"  # what an outcome begins with that must not be


def outcome_of(data: bytes) -> str:
    """Return ``accepted``, the code of the refusal, or ``!`` and what it must not come to."""
    try:
        tile = decode(data)
    except ImageError as error:
        return error.code
    except BaseException as error:
        return BROKEN + type(error).__name__
    if tile.shape == (TILE_PX, TILE_PX, 3) and tile.dtype == np.uint8:
        return ACCEPTED
    return f"{BROKEN}shape {tile.shape}"


def main(seed: int, numbers: list[int]) -> None:
    """Decode them, one after the other."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # which ends a process that never returns
    for number in numbers:
        data = made(seed, number).data
        sys.stdout.write(f"{number} ")
        sys.stdout.flush()
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        before_kb = _kilobytes("VmRSS")
        signal.setitimer(signal.ITIMER_PROF, HANGS_CPU_S)
        began = time.process_time()
        outcome = outcome_of(data)
        cpu_ms = (time.process_time() - began) * 1000
        signal.setitimer(signal.ITIMER_PROF, 0)
        grown_mb = (_kilobytes("VmHWM") - before_kb) / 1000
        print(f"{outcome.replace(' ', '_')} {cpu_ms:.3f} {grown_mb:.1f}", flush=True)


def _kilobytes(name: str) -> int:
    found = re.search(name + r":\s+(\d+)", STATUS.read_text())
    assert found
    return int(found[1])


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(number) for number in sys.stdin.read().split()])
