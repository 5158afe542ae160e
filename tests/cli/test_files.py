"""Finding files, and dividing them into requests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.files import FileTooLarge, batches, find, read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with images at two depths and what is none."""
    for name in ("b.jpg", "a.JPG", "Forest/c.tiff", "River/d.webp", "River/notes.txt", "e.gif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"0123456789")
    return tmp_path


def test_a_folder_gives_its_images_in_order_whatever_the_case_of_their_suffix(
    folder: Path,
) -> None:
    found = [str(Path(path).relative_to(folder)) for path in find([str(folder)])]
    assert found == ["a.JPG", "b.jpg", "Forest/c.tiff", "River/d.webp"]


def test_a_file_that_is_named_is_taken_whatever_its_name(folder: Path) -> None:
    notes = str(folder / "River" / "notes.txt")
    assert list(find([notes])) == [notes]


def test_batches_keep_to_both_limits_and_lose_nothing(folder: Path) -> None:
    paths = list(find([str(folder)]))
    by_number = [[row.path for row in batch] for batch in batches(paths, [], size=3)]
    assert by_number == [paths[:3], paths[3:]]
    by_bytes = [len(batch) for batch in batches(paths, [], size=50, max_bytes=25)]
    assert by_bytes == [2, 2]


def test_a_file_beyond_the_limit_goes_alone(folder: Path) -> None:
    paths = list(find([str(folder)]))
    assert [len(batch) for batch in batches(paths, [], size=50, max_bytes=5)] == [1, 1, 1, 1]


def test_a_folder_named_like_a_class_is_the_truth_and_any_other_is_not(folder: Path) -> None:
    [batch] = batches(list(find([str(folder)])), ["Forest", "SeaLake"], size=50)
    assert [row.true_label for row in batch] == [None, None, "Forest", None]


def test_the_folder_one_stands_in_counts_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "Forest")
    [[row]] = batches(["c.tiff"], ["Forest"], size=50)
    assert row.true_label == "Forest"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(OSError, match="Not a plain file"):
        read(str(tmp_path / "pipe.jpg"), 100)


def test_a_file_that_no_request_can_hold_is_not_read(folder: Path) -> None:
    with pytest.raises(FileTooLarge, match="10 bytes; at most 9"):
        read(str(folder / "b.jpg"), 9)
