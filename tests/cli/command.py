"""Run `skylane` as users do: a process with a command line."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest

from cli import main


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


def skylane_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Do the same in this process, where torch is loaded already: a new one takes seconds to."""
    stdout, stderr = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        for name in os.environ.keys() - environment().keys():
            patch.delenv(name)
        patch.setattr(sys, "argv", ["skylane", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    status = ended.value.code
    assert isinstance(status, int | None)  # else it is what a process would print
    return subprocess.CompletedProcess(arguments, status or 0, stdout.getvalue(), stderr.getvalue())
