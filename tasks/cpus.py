"""How many processors this process may use: what a container was given, not what the host has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from settings import Settings

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def streams_of(settings: Settings) -> int:
    """Return how many micro-batches a worker has in work at once: one a processor."""
    return settings.worker_streams or available_cpus()


def available_cpus(groups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the processors of this process's affinity, or of its control group's quota if less.

    A share of a processor counts as a whole one, as for the JVM. A group is bound by those
    it is in as well; both generations of control groups are known: cgroups(7).
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    cpus = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
    for folder in _folders(groups, membership):
        for read in (_quota_v2, _quota_v1):
            cpus = min(cpus, read(folder) or cpus)
    return max(1, math.ceil(cpus))


def _folders(groups: Path, membership: Path) -> Iterator[Path]:
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # no Linux, no quotas
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups / "cpu" if controllers else groups
        # In a container the path may be the host's, of which only the root is to be seen.
        own = root / path.lstrip("/")
        yield from (own, *(parent for parent in own.parents if parent.is_relative_to(root)))


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return quota / int((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    except (OSError, ValueError):
        return None
