"""Which folder is Skylane's home, and what is not done where there is none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from local.home import held
from settings import ROOT, Settings
from tests.cli.command import skylane


def test_the_home_is_the_checkouts_wherever_a_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SKYLANE_HOME", raising=False)
    assert Settings().home == ROOT / ".skylane"


@pytest.mark.parametrize(
    "command",
    [
        ["backup", "COPY"],
        ["prune", "--older-than=1d"],
        ["keys", "revoke", "nightly"],
    ],
)
def test_a_home_that_is_not_there_is_told_and_not_made(command: list[str], tmp_path: Path) -> None:
    home = tmp_path / "mistyped"
    arguments = [one.replace("COPY", str(tmp_path / "copy")) for one in command]
    ended = skylane(*arguments, SKYLANE_HOME=str(home))
    assert (ended.returncode, ended.stdout) == (1, "")
    for told in (f"no database in {home}", "SKYLANE_HOME", "DATABASE_URL"):
        assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_made_is_for_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # as root PostgreSQL is another user
    with held(tmp_path / "home"):
        assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_a_database_is_not_backed_up_or_pruned_with_another_homes_images(
    database_url: str, tmp_path: Path
) -> None:
    own = {"SKYLANE_HOME": str(tmp_path / "mistyped"), "DATABASE_URL": database_url}
    for arguments in (["backup", str(tmp_path / "copy")], ["prune", "--older-than=1d"]):
        ended = skylane(*arguments, **own)
        assert ended.returncode == 1
        assert "no folder of images" in ended.stderr
        assert "SKYLANE_IMAGES_URL" in ended.stderr
    assert list(tmp_path.iterdir()) == []
