"""Run `skylane` as users do: a process with a command line."""

from __future__ import annotations

import os
import subprocess
import sys


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without Skylane's own settings, plus ``variables``."""
    own = ("SKYLANE_", "DATABASE_URL", "BROKER_URL", "COLUMNS")
    return {
        name: value for name, value in os.environ.items() if not name.startswith(own)
    } | variables


def skylane(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run to the end and return exit status and output."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
    )
