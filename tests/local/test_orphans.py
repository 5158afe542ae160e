"""An image that no row names goes when it is old, and nothing else does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from local import orphans
from local.errors import LocalError
from local.orphans import OLD_S, prune_orphans
from store.database import Database
from store.images import FileImages, open_images
from store.references import Reference
from tests.cli.command import skylane

Accept = Callable[..., list[Reference]]


def key(n: int) -> str:
    """Return a key such as the API makes."""
    return f"2026/01/01/{UUID(int=n)}"


def store(images: FileImages, key: str, age_s: float) -> None:
    images.put(key, b"\xff\xd8\xff", "image/jpeg")
    then_s = time.time() - age_s
    os.utime(images.path(key), (then_s, then_s))


def test_what_a_killed_api_left_goes_after_a_day_and_what_has_a_row_stays(
    accept: Accept,
    database: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orphans, "PAGE_IMAGES", 2)
    images = FileImages(tmp_path / "images")
    named, (orphan, young) = [key(n) for n in range(3)], (key(n) for n in (3, 4))
    for one in named:
        accept(1, key=one)
        store(images, one, 40 * OLD_S)
    store(images, orphan, OLD_S + 60)
    store(images, young, OLD_S - 60)
    assert prune_orphans(database, images, dry_run=True) == 1
    told = skylane("prune", "--orphans", SKYLANE_HOME=str(tmp_path), DATABASE_URL=database_url)
    assert told.stdout.strip() == "1 images without a prediction have gone", told.stderr
    assert set(images.all_keys()) == {*named, young}


def test_what_else_is_in_the_folder_of_the_images_is_not_touched(
    accept: Accept, database: Database, tmp_path: Path
) -> None:
    images = FileImages(tmp_path / "photos")
    accept(1, key=key(0))
    theirs = ["README.txt", "labels/train.csv", "2026/01/01/notes.md", f"copy/{key(1)}"]
    file_systems = f".snapshot/{key(2)}"
    for one in (key(0), *theirs, file_systems):
        store(images, one, 40 * OLD_S)
    assert prune_orphans(database, images) == 0
    assert set(images.all_keys()) == {key(0), *theirs}
    assert images.path(file_systems).exists()


def test_the_images_of_another_database_are_not_taken_for_orphans(
    accept: Accept, database: Database, tmp_path: Path
) -> None:
    images = FileImages(tmp_path / "images")
    accept(1, key=key(0))
    for n in range(3):
        store(images, key(n), 40 * OLD_S)
    with pytest.raises(LocalError, match="another database"):
        prune_orphans(database, images)
    assert len(set(images.all_keys())) == 3


def test_orphans_are_looked_for_in_files_alone(database: Database) -> None:
    with pytest.raises(LocalError, match="on S3"):
        prune_orphans(database, open_images("s3://tiles"))


def test_it_is_said_what_to_prune() -> None:
    for arguments in ((), ("--orphans", "--older-than", "1d")):
        ended = skylane("prune", *arguments)
        assert (ended.returncode, "Say one of" in ended.stderr) == (2, True)
