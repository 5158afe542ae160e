"""A program that ends of what nobody here did is told of; one that was struck is not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.hooks import sitecustomize
from tests.chaos.program import ANY_END, Program
from tests.stack import until


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Run a program that does nothing."""
    running = Program("sleep", ["sleep", "60"], tmp_path / "log")
    running.up()
    yield running
    running.down(signal.SIGKILL)


def test_a_crash_of_its_own_is_told_of_once(program: Program) -> None:
    os.kill(program.pid, signal.SIGSEGV)
    until(lambda: not program.pid)
    assert program.own_ends() == ["SIGSEGV"]
    assert program.own_ends() == []


def test_what_was_struck_or_pardoned_is_not_told_of(program: Program) -> None:
    program.strike(signal.SIGKILL)
    until(lambda: not program.pid)
    until(lambda: program.pid)
    program.pardon(ANY_END)
    os.kill(program.pid, signal.SIGSEGV)
    until(lambda: not program.pid)
    assert program.own_ends() == []


def test_nobody_dies_at_a_point_where_there_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(sitecustomize, "die_if_armed", passed.append)
    step = sitecustomize.deadly(lambda work: work, "step")
    step([])
    assert passed == []
    step(["image"])
    assert passed == ["before-step", "after-step"]
