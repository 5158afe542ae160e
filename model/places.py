"""Whether a file or folder can be written, found out before the work, and by whom."""

from __future__ import annotations

import argparse
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import PlaceError


def given(text: str) -> Path:
    """Return a path of a command line. An empty one would be the current folder, by no one's wish.

    Raises:
        ArgumentTypeError: it is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("no path was given")
    return Path(text)


def check_new(path: Path) -> None:
    """Try to write where ``path`` will be, in the nearest folder that there is; leave nothing.

    It is tried, because permissions alone do not say: a file system may be read-only, or none
    to write to. A file that is there is replaced by a new one beside it, so it is its folder that
    has to take one; but what nobody may write to is not replaced either.

    Raises:
        PlaceError: it cannot be written; the message says which part of ``path`` is in the way.
    """
    there = next(one for one in (path, *path.absolute().parents) if os.path.exists(one))
    if there != path and not there.is_dir():
        raise PlaceError(f"{there} is a file, not a folder to write {path.name} to")
    if not there.is_dir() and not there.is_file():
        raise PlaceError(f"{there} is a device or a pipe, which no file should replace")
    if not os.access(there, os.W_OK):
        raise PlaceError(f"{there} cannot be written to")
    folder = there if there.is_dir() else there.absolute().parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PlaceError(f"{folder} cannot be written to: {error.strerror}") from error


def check_new_folder(path: Path) -> None:
    """Likewise of a folder to write to, whether it is there or not.

    Raises:
        PlaceError: it cannot be written to, or is a file.
    """
    if path.exists() and not path.is_dir():
        raise PlaceError(f"{path} is a file, not a folder to write to")
    check_new(path)


@contextmanager
def held(lock: Path, *, wait: bool) -> Iterator[bool]:
    """Hold what ``lock`` stands for, for this process, and say whether it could be had.

    The file is made where there is none, and stays. A kill gives back what was held.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
