"""Images as files. One host's store, or several hosts' over a shared file system."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from store.errors import ImageNotFound, ImageRefused, ImageStoreError
from store.images.base import PUT_AT_ONCE, NewImage, NoBytes, get_or_error, put_all
from store.references import Reference

log = logging.getLogger(__name__)

# Flushes to one disk that wait together wait about once.
FLUSH_CONCURRENCY = 8


class FileImages:
    """Images as files. One host's store, or several hosts' over a shared file system."""

    bucket: str | None = None
    at_once = 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._threads = ThreadPoolExecutor(
            PUT_AT_ONCE * FLUSH_CONCURRENCY, thread_name_prefix="files"
        )

    def connect(self) -> None:
        pass

    def put(self, key: str, data: bytes, content_type: str) -> Reference:
        path = self.path(key)
        try:
            try:
                self._write(path, data)
            except FileNotFoundError:  # the first image of its folder
                path.parent.mkdir(parents=True, exist_ok=True)
                self._write(path, data)
        except FileExistsError as error:
            raise ImageStoreError(f"image store: {key} is there already") from error
        except OSError as error:
            with suppress(OSError):  # a read-only file system says so of a file that is not there
                path.unlink()  # half an image, on a full disk
            raise ImageStoreError(f"image store: {error}") from error
        return Reference(key)

    def put_many(self, images: Sequence[NewImage]) -> list[Reference]:
        if len(images) == 1:
            return [self.put(*images[0])]
        return put_all(self, self._threads, images, FLUSH_CONCURRENCY)

    def get(self, reference: Reference) -> bytes:
        path = self.path(reference.key)
        with _reading(path, reference):
            return path.read_bytes()

    def open(self, reference: Reference) -> tuple[BinaryIO, int]:
        path = self.path(reference.key)
        with _reading(path, reference), ExitStack() as unless_read:
            # Without a buffer: where the file stands is where its descriptor does, for sendfile().
            file = unless_read.enter_context(path.open("rb", buffering=0))
            file.read(1)  # what cannot be read is told of now, and not amid an answer
            file.seek(0)
            unless_read.pop_all()
            return cast(BinaryIO, file), os.fstat(file.fileno()).st_size

    def get_many(self, references: Sequence[Reference]) -> list[bytes | NoBytes]:
        return [get_or_error(self, reference) for reference in references]

    def delete(self, reference: Reference) -> None:
        path = self.path(reference.key)
        try:
            _unlink(path)
            _flush(path.parent)
        except OSError as error:
            raise ImageStoreError(f"image store: {error}") from error

    def delete_many(self, references: Sequence[Reference]) -> list[Reference]:
        gone: dict[Path, list[Reference]] = {}
        missing: set[Path] = set()
        for reference in references:
            path = self.path(reference.key)
            try:
                _unlink(path)
            except FileNotFoundError as error:
                if path.parent not in missing:  # told once, however many images were in it
                    log.warning("images stay in the database: %s", error)
                    missing.add(path.parent)
            except OSError as error:
                log.warning("%s stays where it is: %s", reference.key, error)
            else:
                gone.setdefault(path.parent, []).append(reference)
        flushed = []
        for folder, those in gone.items():
            try:
                _flush(folder)
            except OSError as error:
                log.warning("%s may still have images after a power cut: %s", folder, error)
            else:
                flushed += those
        return flushed

    def path(self, key: str) -> Path:
        """Return where the image under a key is, or would be; raises ``ImageNotFound``."""
        if key.startswith("/") or ".." in key.split("/"):
            raise ImageNotFound(key)
        return self._folder / key

    def all_keys(self) -> Iterator[str]:
        """Yield the key of each file that there is, in no order. Raises ``OSError``.

        What a file system has of its own is none: ``lost+found``, ``.snapshot``, ``.nfs…``.
        """
        for folder, folders, names in os.walk(self._folder, onerror=_raise):
            folders[:] = [name for name in folders if not _is_file_systems(name)]
            for name in names:
                if not _is_file_systems(name):
                    yield os.path.relpath(os.path.join(folder, name), self._folder)

    def stored_at_s(self, key: str) -> float:
        """Return when a file was written, by the wall clock; now, if it went meanwhile."""
        try:
            return self.path(key).lstat().st_mtime
        except FileNotFoundError:
            return time.time()

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        # Under its own name at once: nobody looks for an image before its row is there.
        # Flushed to disk, because what the API answers 2xx for must survive a power cut,
        # like the row that points to it.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            left = memoryview(data)
            while left:  # a file system may take less than it is given
                left = left[os.write(file, left) :]
            os.fdatasync(file)
        finally:
            os.close(file)


@contextmanager
def _reading(path: Path, reference: Reference) -> Iterator[None]:
    """Tell of what goes wrong with an image's file as the store does."""
    try:
        try:
            yield
        except FileNotFoundError as error:
            # Or a worker without it would end every image that it takes as ``image_missing``.
            _require_volume(path)
            raise ImageNotFound(reference.key) from error
    except PermissionError as error:
        raise ImageRefused(f"image store: {error}") from error
    except OSError as error:
        raise ImageStoreError(f"image store: {error}") from error


def _unlink(path: Path) -> None:
    """Remove a file, or find that it was removed. Raises ``OSError``."""
    try:
        path.unlink()
    except FileNotFoundError:
        _require_volume(path)


def _require_volume(path: Path) -> None:
    """Tell a file that is gone from a volume that is not mounted, whose files are all there.

    A file's folder is never removed, so where there is none this is not the place in which it was
    stored. Raises ``FileNotFoundError``.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is not there. Is it mounted?") from None


def _is_file_systems(name: str) -> bool:
    return name.startswith(".") or name == "lost+found"


def _raise(error: OSError) -> None:
    raise error  # os.walk passes over a folder that it cannot read, unless told so


def _flush(folder: Path) -> None:
    """Have the disk know which files a folder has: a row that goes next must not outlive one."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
