"""Many images to few figures, each with how sure it is."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import psutil
from hdrh.histogram import HdrHistogram

from bench.intervals import CONFIDENCE, needed, quantile
from bench.load.outcomes import OUTCOMES, Outcome
from bench.load.run import Generator, Latency, Machine, Percentile
from bench.load.sender import Own
from settings import ROOT

QUANTILES = (0.5, 0.9, 0.99, 0.999)
HOUR_US, DIGITS = 3_600_000_000, 3
# Beyond these, latencies are the sender's own, too.
LATE_MS, HELD_UP_MS, CPU_SHARE = 10.0, 20.0, 0.85


def latency(samples_ms: Sequence[float], at_once: int = 1) -> Latency:
    """Summarise latencies in ms; a percentile is left out where samples are too few for it.

    Of images that are sent ``at_once`` in a request, requests count: such images share a fate.
    """
    return Latency(
        samples=len(samples_ms),
        mean=round(float(np.mean(samples_ms)), 3) if samples_ms else None,
        worst=round(max(samples_ms), 3) if samples_ms else None,
        percentiles=[_percentile(samples_ms, q, len(samples_ms) // at_once) for q in QUANTILES],
    )


def _percentile(samples_ms: Sequence[float], q: float, requests: int) -> Percentile:
    found = quantile(samples_ms, q)
    if found is None or requests < needed(q):
        why = f"{needed(q)} requests are needed for {CONFIDENCE:.0%}; {requests} there are"
        return Percentile(q=q, value=None, low=None, high=None, why_not=why)
    return Percentile(
        q=q, value=round(found.value, 3), low=round(found.low, 3), high=round(found.high, 3)
    )


def histogram(samples_ms: Iterable[float]) -> str:
    """Return an HdrHistogram of latencies, in µs from 1 to an hour, in its V2 encoding."""
    of_us = HdrHistogram(1, HOUR_US, DIGITS)
    for one in samples_ms:
        of_us.record_value(min(max(1, round(one * 1000)), HOUR_US))
    encoded: bytes = of_us.encode()
    return encoded.decode()


def counted(outcomes: Iterable[Outcome]) -> tuple[dict[str, int], dict[str, int]]:
    """Count outcomes, and the codes of those that are errors."""
    told = list(outcomes)
    found = Counter(one.what for one in told)
    codes = Counter(one.code or one.what for one in told if one.what != "done")
    return {what: found[what] for what in OUTCOMES}, dict(codes.most_common())


def generator(own: Own) -> Generator:
    """Judge how well the load was made."""
    late_ms, held_up_ms = _p99(own.late_ms), _p99(own.held_up_ms)
    reasons = []
    if own.cpu_share > CPU_SHARE:
        reasons.append(f"it took {own.cpu_share:.0%} of a core")
    if late_ms > LATE_MS:
        reasons.append(f"one request in a hundred went {late_ms:.0f} ms late or more")
    if held_up_ms > HELD_UP_MS:
        reasons.append(f"its event loop was held up for {held_up_ms:.0f} ms")
    return Generator(
        late_p99_ms=round(late_ms, 3),
        held_up_p99_ms=round(held_up_ms, 3),
        cpu_share=round(own.cpu_share, 3),
        bottleneck="; ".join(reasons) or None,
    )


def machine() -> Machine:
    """Describe this machine, as it is before a run."""
    return Machine(
        cores=psutil.cpu_count() or 1,
        processor=_processor(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 2),
        commit=_commit(),
    )


def _p99(samples: Sequence[float]) -> float:
    return float(np.quantile(samples, 0.99)) if samples else 0.0


def _processor() -> str:
    """Return the processor's name and what INT8 depends on most."""
    name, flags = platform.machine(), ""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    name = value.strip()
                elif key.strip() == "flags":
                    flags = value
                    break
    except OSError:  # not Linux
        return name
    known = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "VNNI", "amx_int8": "AMX"}
    has = [title for flag, title in known.items() if f" {flag}" in flags]
    return f"{name} ({', '.join(has) or 'no AVX2'})"


def _commit() -> str | None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):  # not a checkout
        return None
