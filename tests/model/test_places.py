"""What cannot be written is told before the work, whatever stands in the way."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from model.errors import PlaceError
from model.places import check_new, check_new_folder, given, held


def test_what_can_be_written_is_let_be_and_nothing_is_left(tmp_path: Path) -> None:
    old = tmp_path / "old.zip"
    old.write_text("served")
    for path in (old, tmp_path / "new.zip", tmp_path / "not" / "there" / "new.zip"):
        check_new(path)
    for path in (tmp_path, tmp_path / "not" / "there"):
        check_new_folder(path)
    assert [path.name for path in tmp_path.iterdir()] == ["old.zip"]
    assert old.read_text() == "served"


def test_a_relative_path_is_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_new(Path("new.zip"))
    Path("file").touch()
    check_new(Path("file"))
    with pytest.raises(PlaceError, match=r"file is a file, not a folder to write new\.zip to"):
        check_new(Path("file/new.zip"))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(PlaceError, match="is a file, not a folder to write to"):
        check_new_folder(file)


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path(os.devnull), tmp_path / "pipe"):
        with pytest.raises(PlaceError, match=f"{path} is a device or a pipe"):
            check_new(path)


def test_an_empty_path_is_not_the_current_folder() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no path was given"):
        given("")
    assert given(".") == Path()


def test_what_one_holds_no_other_has(tmp_path: Path) -> None:
    lock = tmp_path / "not" / "there" / "lock"
    with held(lock, wait=False) as first, held(lock, wait=False) as second:
        assert (first, second) == (True, False)
    with held(lock, wait=True) as again:
        assert again


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc")
def test_a_place_that_takes_no_files_is_found_out_by_trying() -> None:
    # Its permissions let root write to it.
    for check in (check_new, check_new_folder):
        with pytest.raises(PlaceError, match="/proc cannot be written to"):
            check(Path("/proc/not/there"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PlaceError, match="cannot be written to"):
        check_new(tmp_path / "new.zip")
