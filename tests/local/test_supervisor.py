"""The supervisor stops what it started, whatever happens to its own files."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import psutil
import pytest

from local.errors import LocalError
from local.output import Output
from local.supervisor import Part, Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() != "zombie"}


def test_parts_are_stopped_even_when_the_home_is_gone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    before = children()
    with Supervisor(home / "running.json", Output(io.StringIO())) as supervisor:
        supervisor.start(Part("first", SLEEP), Part("second", SLEEP))
        assert len(children() - before) == 2
        shutil.rmtree(home)
    assert children() == before


def test_a_part_that_dies_while_starting_is_told_and_the_others_are_stopped(
    tmp_path: Path,
) -> None:
    lines = io.StringIO()
    before = children()
    dying = [sys.executable, "-c", "print('no luck'); raise SystemExit(3)"]
    with (
        pytest.raises(LocalError, match=r"dying could not start .*3"),
        Supervisor(tmp_path / "running.json", Output(lines)) as supervisor,
    ):
        supervisor.start(Part("well", SLEEP), Part("dying", dying, ready=lambda: False))
    assert "no luck" in lines.getvalue()
    assert children() == before
