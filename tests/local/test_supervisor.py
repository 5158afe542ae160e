"""The supervisor stops what it started, whatever happens to its own files."""

from __future__ import annotations

import io
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from local import supervisor as supervising
from local.errors import LocalError
from local.output import Output
from local.stack import _programs
from local.supervisor import Part, Supervisor
from settings import Settings

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


class Until(io.StringIO):
    """Lines, which ask for an end as soon as something was said so often."""

    def __init__(self, said: str, times: int, number: signal.Signals) -> None:
        super().__init__()
        self._said, self._left, self._number = said, times, number

    def write(self, text: str) -> int:
        self._left -= self._said in text
        if self._said in text and self._left == 0:
            signal.raise_signal(self._number)
        return super().write(text)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start again at once what has died."""
    monkeypatch.setattr(supervising, "FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(supervising, "LONGEST_BACKOFF_S", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_part_that_dies_too_often_is_given_up(tmp_path: Path) -> None:
    with Supervisor(tmp_path / "running.json", Output(io.StringIO())) as supervisor:
        supervisor.start(Part("dying", ["false"]))
        with pytest.raises(LocalError, match="dying died 5 times"):
            supervisor.run()


@pytest.mark.usefixtures("impatient")
def test_a_worker_is_not_given_up_however_many_images_kill_it(tmp_path: Path) -> None:
    [worker] = [part for part in _programs(Settings()) if part.name == "worker"]
    before: dict[int, Any] = {one: signal.getsignal(one) for one in supervising.STOP_SIGNALS}
    lines = Until("died", 12, signal.SIGTERM)
    try:
        with Supervisor(tmp_path / "running.json", Output(lines)) as supervisor:
            supervisor.stop_on_signals()
            supervisor.start(Part("worker", ["false"], restarts=worker.restarts))
            supervisor.run()  # until it is asked to end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert lines.getvalue().count("died") == 12
