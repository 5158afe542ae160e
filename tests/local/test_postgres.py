"""EmbeddedPostgres starts again, whatever the one before it left."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import psutil

from local.postgres import EmbeddedPostgres
from tests.stack import until


def test_a_dead_server_that_nobody_has_buried_is_not_in_the_way(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path)
    postgres.prepare()
    # PostgreSQL would only ask whether there is such a process, and there is.
    (tmp_path / "bin").mkdir()
    program = shutil.copy(shutil.which("sleep") or "", tmp_path / "bin" / "postgres")
    dead = subprocess.Popen([program, "600"])
    lock = tmp_path / "postgres" / "postmaster.pid"
    lock.write_text(f"{dead.pid}\n")
    postgres.prepare()
    assert lock.exists()  # it lives
    dead.send_signal(signal.SIGKILL)
    until(lambda: psutil.Process(dead.pid).status() == psutil.STATUS_ZOMBIE)
    postgres.prepare()
    assert not lock.exists()
    dead.wait()
