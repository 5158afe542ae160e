"""A copy of all predictions and images, taken while serving; and a Skylane made of one.

The database first, then the images. An image is stored before its row and deleted before it, so
each row of the copy has its image, unless it was deleted meanwhile: then it goes from the copy too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg2.extensions import make_dsn, parse_dsn

from local.errors import LocalError
from local.postgres import binary
from local.stack import database_of
from settings import Settings
from store.database import Database
from store.images import FileImages, open_images
from store.references import Reference

FORMAT = "skylane-backup/1"
DUMP, IMAGES, ABOUT = "database.dump", "images", "backup.json"
PAGE_ROWS = 1000


@dataclass(frozen=True)
class Copied:
    """What a backup or a restored home has: images, or None where they are on S3."""

    rows: int
    images: int | None


def back_up(settings: Settings, folder: Path) -> Copied:
    """Copy database and images into a new folder; the last file written is ``backup.json``.

    Raises:
        LocalError: the folder is there already, or something could not be copied.
        StoreError: the database failed.
    """
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise LocalError(f"{folder} cannot be made: {error.strerror}. Name a new one.") from error
    began_at = datetime.now(UTC)
    with database_of(settings) as url:
        _run("pg_dump", url, "--format=custom", f"--file={folder / DUMP}")
        database = Database(url, size=1)
        try:
            copied = _copy_images(database, settings, folder / IMAGES)
        finally:
            database.close()
    os.sync()  # it is a backup once it is on the disk
    about = {"format": FORMAT, "began_at": began_at.isoformat(), **asdict(copied)}
    (folder / ABOUT).write_text(json.dumps(about) + "\n")
    return copied


def restore(settings: Settings, folder: Path) -> Copied:
    """Make an empty home, or an empty database and folder, what the backup has.

    What had been accepted and not finished is worked on as soon as a sweep and a worker run.

    Raises:
        LocalError: it is no whole backup, or where it is to go is not empty.
        StoreError: the database failed.
    """
    try:
        about = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError) as error:
        raise LocalError(f"{folder} is no whole backup: {ABOUT} cannot be read.") from error
    if about.get("format") != FORMAT:
        raise LocalError(f"{folder} is a backup of another kind: {about.get('format')!r}.")
    with database_of(settings, migrated=False) as url:
        database = Database(url, size=1)
        try:
            if database.query("SELECT to_regclass('predictions') AS there")[0]["there"]:
                raise LocalError("There are predictions already. Name an empty home or database.")
            _put_images(folder / IMAGES, settings, about["images"])  # before their rows, as always
            dump = str(folder / DUMP)
            _run("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", dump)
            return _without_gaps(database, settings)
        finally:
            database.close()


def _copy_images(database: Database, settings: Settings, folder: Path) -> Copied:
    images = open_images(settings.image_store_url, settings.s3_endpoint_url)
    [counted] = database.query("SELECT count(*) AS rows FROM predictions")
    if not isinstance(images, FileImages):
        return Copied(counted["rows"], None)
    folder.mkdir()
    copied = 0
    for _, reference in _rows(database):
        try:
            _copy(images.path(reference.key), folder / reference.key)
            copied += 1
        except FileNotFoundError:  # deleted meanwhile
            continue
        except OSError as error:
            raise LocalError(f"{reference.key} could not be copied: {error}") from error
    return Copied(counted["rows"], copied)


def _put_images(source: Path, settings: Settings, copied: int | None) -> None:
    images = open_images(settings.image_store_url, settings.s3_endpoint_url)
    if isinstance(images, FileImages) != (copied is not None):
        where = "on S3" if copied is None else "in files"
        raise LocalError(f"This backup's images are {where}; SKYLANE_IMAGES_URL names others.")
    if not isinstance(images, FileImages):
        return
    try:
        for path in source.rglob("*"):
            if path.is_file():
                _copy(path, images.path(str(path.relative_to(source))))
    except OSError as error:
        raise LocalError(f"An image could not be copied: {error}") from error
    os.sync()


def _without_gaps(database: Database, settings: Settings) -> Copied:
    """Let go of rows whose images were deleted between the copy of the database and theirs."""
    images = open_images(settings.image_store_url, settings.s3_endpoint_url)
    rows, gaps = 0, []
    for row_id, reference in _rows(database):
        if isinstance(images, FileImages) and not images.path(reference.key).exists():
            gaps.append(row_id)
        else:
            rows += 1
    if gaps:
        database.query("DELETE FROM predictions WHERE id = ANY (%s)", (gaps,))
    return Copied(rows, rows if isinstance(images, FileImages) else None)


def _rows(database: Database) -> Iterator[tuple[int, Reference]]:
    after = 0
    while rows := database.query(
        "SELECT id, storage_key, storage_version FROM predictions WHERE id > %s"
        " ORDER BY id LIMIT %s",
        (after, PAGE_ROWS),
    ):
        for row in rows:
            yield row["id"], Reference(row["storage_key"], row["storage_version"])
        after = rows[-1]["id"]


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)  # the first image of its folder
        shutil.copyfile(source, target)


def _run(program: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's on a database. Passwords are nobody's to see in `ps`."""
    parameters = parse_dsn(url)
    password = parameters.pop("password", None)
    done = subprocess.run(
        [str(binary(program)), f"--dbname={make_dsn(**parameters)}", *arguments],
        env=os.environ | ({"PGPASSWORD": password} if password else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"{program} failed: {done.stderr.strip()}")
