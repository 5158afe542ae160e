"""An image that no row names goes when it is old, and nothing else does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local import orphans
from local.errors import LocalError
from local.orphans import OLD_S, prune_orphans
from store.database import Database
from store.images import FileImages, open_images
from store.references import Reference
from tests.cli.command import skylane

Accept = Callable[..., list[Reference]]


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
    for n in range(3):
        accept(1, key=f"2026/01/01/{n}")
        store(images, f"2026/01/01/{n}", 40 * OLD_S)
    store(images, "2026/01/01/orphan", OLD_S + 60)
    store(images, "2026/01/01/young", OLD_S - 60)
    store(images, ".snapshot/2026/01/01/of the file system", 40 * OLD_S)
    assert prune_orphans(database, images, dry_run=True) == 1
    told = skylane("prune", "--orphans", SKYLANE_HOME=str(tmp_path), DATABASE_URL=database_url)
    assert told.stdout.strip() == "1 images without a prediction have gone", told.stderr
    left = {f"2026/01/01/{name}" for name in ("0", "1", "2", "young")}
    assert set(images.all_keys()) == left
    assert len(list((tmp_path / "images").rglob("of the*"))) == 1


def test_the_images_of_another_database_are_not_taken_for_orphans(
    accept: Accept, database: Database, tmp_path: Path
) -> None:
    images = FileImages(tmp_path / "images")
    accept(1, key="mine")
    for key in ("mine", "theirs", "too"):
        store(images, key, 40 * OLD_S)
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
