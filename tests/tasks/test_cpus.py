"""A worker fits itself to the processors that it was given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cpu_quota import CpuQuota
from tasks.cpus import available_cpus

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_without_a_quota_it_is_what_the_scheduler_gives(tmp_path: Path) -> None:
    assert available_cpus() <= (ALL or 1)
    assert available_cpus(tmp_path, tmp_path / "none") == ALL


@pytest.mark.parametrize(("quota", "cpus"), [("50000", 1), ("100000", 1), ("100001", 2)])
def test_a_quota_of_either_generation_bounds_it(tmp_path: Path, quota: str, cpus: int) -> None:
    membership = tmp_path / "membership"
    membership.write_text("0::/a/b\n")
    group(tmp_path / "a/b", cpu__max="max 100000")
    assert available_cpus(tmp_path, membership) == ALL
    group(tmp_path / "a", cpu__max=f"{quota} 100000")
    assert available_cpus(tmp_path, membership) == min(cpus, ALL or 1)

    membership.write_text("4:cpu,cpuacct:/docker/of-the-host\n0::/\n")
    group(tmp_path / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert available_cpus(tmp_path, membership) == ALL
    group(tmp_path / "cpu", cpu__cfs_quota_us=quota)
    assert available_cpus(tmp_path, membership) == min(cpus, ALL or 1)


@pytest.mark.skipif(ALL == 1, reason="one processor is one with any quota")
def test_a_real_quota_is_seen() -> None:
    quota = CpuQuota.of(1)
    if quota is None:
        pytest.skip("this user may make no control group")
    try:
        script = "from tasks.cpus import available_cpus; print(available_cpus())"
        command = quota.wrapped([sys.executable, "-c", script])
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        quota.remove()
    assert shown.stdout.strip() == "1"
