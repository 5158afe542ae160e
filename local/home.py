"""The home folder: held by one supervisor at a time, and where sockets can be."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import LocalError
from settings import Settings
from store.images import FileImages, open_images

# The kernel takes 103 bytes on macOS and 107 on Linux, and the servers add a file name.
LONGEST_SOCKET_FOLDER = 80


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold the home folder: two servers on the same files would destroy them.

    Raises:
        LocalError: another process holds it, or it cannot be written to.
    """
    try:
        # As root PostgreSQL runs as somebody else, who has to get to its own folder in here.
        mode = 0o700 if os.geteuid() else 0o777
        home.mkdir(mode, parents=True, exist_ok=True)
        file = (home / "lock").open("a+")
    except OSError as error:
        raise LocalError(
            f"Cannot write to the home folder: {error}. Choose another: SKYLANE_HOME=folder"
        ) from error
    with file:
        try:
            # The lock goes with the process, however it ends. The file stays.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LocalError(
                f"Skylane already runs in {home}, as process {file.read().strip()}. "
                "Stop that one, or choose another folder: SKYLANE_HOME=folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def require(settings: Settings, *, images: bool = False) -> None:
    """Refuse a home that is not there; ``images``: or that has none of the folder of images.

    One made in its place would be empty, and what is asked for done to nothing.

    Raises:
        LocalError: what is missing, and how to name another.
    """
    home = settings.home.resolve()
    if not settings.database_url and not os.path.isdir(home / "postgres"):
        missing, other = f"database in {home}.", "the database by DATABASE_URL=postgresql://…"
    elif (
        images
        and settings.database_url
        and not settings.images_url
        and not os.path.isdir(home / "images")
    ):
        missing = f"folder of images in {home}. Is it mounted?"
        other = "their folder by SKYLANE_IMAGES_URL=file:///folder"
    else:
        return
    raise LocalError(
        f"There is no {missing} Name Skylane's home by SKYLANE_HOME=folder, or {other}"
    )


def refuse_inside(settings: Settings, folder: Path) -> None:
    """Refuse a folder in which something would be taken for an image, or for PostgreSQL's.

    Raises:
        LocalError: it is there, by whatever path.
    """
    kept = [settings.home / "postgres"]
    images = open_images(settings.image_store_url, settings.s3_endpoint_url)
    if isinstance(images, FileImages):
        kept.append(images.path(""))
    for one in kept:
        if folder.resolve().is_relative_to(one.resolve()):
            raise LocalError(f"{folder} is in what Skylane keeps in {one}. Name another.")


def socket_folder(preferred: Path, owner: int) -> Path:
    """Return a folder for a server's Unix socket that only the user id ``owner`` may enter.

    That is ``preferred``, an existing folder, unless its path is too long for a socket or
    has characters that some client does not decode in an address (Flower, for one). Then
    it is a folder for temporary files, the same one each time.

    Raises:
        LocalError: somebody else made the temporary folder.
    """
    if len(bytes(preferred)) <= LONGEST_SOCKET_FOLDER and re.fullmatch(
        r"[\w./-]+", str(preferred), re.ASCII
    ):
        return preferred
    digest = hashlib.sha256(bytes(preferred)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"skylane-{owner}-{digest}"
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    except FileExistsError:
        # Anybody can make folders there: one that is not ours may be a trap.
        found = folder.lstat()
        if found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            raise LocalError(f"{folder} is in the way: remove it, and start again") from None
    return folder
