"""A share of the machine's processors for one process, by a control group, where permitted."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

log = logging.getLogger(__name__)

PERIOD_US = 20_000  # Lambda's own: a fifth of Linux's default, so that waits are short
ROOT_V1, ROOT_V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class CpuQuota:
    """A control group; processes started by ``wrapped`` commands are in it."""

    folder: Path

    @classmethod
    def of(cls, cpus: float) -> CpuQuota | None:
        """Make a group that may use ``cpus`` processors; None where this user may not.

        Both generations of control groups are known: cgroups(7).
        """
        quota_us = max(1000, round(cpus * PERIOD_US))
        if (ROOT_V2 / "cgroup.controllers").exists():
            root, files = ROOT_V2, {"cpu.max": f"{quota_us} {PERIOD_US}"}
        else:
            root = ROOT_V1
            files = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}
        folder = root / f"skylane-{uuid4().hex[:12]}"
        try:
            folder.mkdir()
        except OSError:
            return None
        try:
            for name, value in files.items():
                (folder / name).write_text(value)
        except OSError:  # no processor to share out in this group
            folder.rmdir()
            return None
        return cls(folder)

    def wrapped(self, command: list[str]) -> list[str]:
        """Return ``command`` so that it joins the group before its first instruction."""
        return [
            "/bin/sh",
            "-c",
            'echo $$ >"$0/cgroup.procs" && exec "$@"',
            str(self.folder),
            *command,
        ]

    def throttled_ms(self) -> float:
        """Return how long the group has been kept waiting for its next period."""
        for line in (self.folder / "cpu.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "throttled_usec":
                return int(value) / 1e3
            if name == "throttled_time":
                return int(value) / 1e6
        return 0.0

    def remove(self) -> None:
        """Remove the group; its processes have ended."""
        for _ in range(100):  # the kernel lets go of the last one a moment later
            try:
                os.rmdir(self.folder)
                return
            except OSError as error:
                last = error
                time.sleep(0.01)
        log.warning("%s is left behind: %s", self.folder, last)
