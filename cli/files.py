"""Which files to send, and in what portions."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence

from cli.rows import Row

# Of the formats in model/formats.py. Only for finding images in folders: the API looks at
# the bytes, and a file that is named on the command line is sent whatever its name.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")

# Well below what the API takes by default. It also bounds what a request holds in memory.
MAX_BATCH_BYTES = 32_000_000


class FileTooLarge(Exception):
    """The file is larger than any request may be."""


def find(paths: Iterable[str]) -> Iterator[str]:
    """Yield each file in ``paths`` and each image below its folders, sorted by folder.

    A folder that cannot be listed is yielded itself: reading it tells what is wrong.
    """
    for path in paths:
        if os.path.isdir(path):
            yield from _images_below(path)
        else:
            yield path


def batches(
    paths: Sequence[str],
    classes: Collection[str],
    *,
    size: int,
    max_bytes: int = MAX_BATCH_BYTES,
) -> Iterator[list[Row]]:
    """Yield rows to be sent together: up to ``size`` files and ``max_bytes``, or one file.

    A row's true label is the name of its file's folder, where that is one of ``classes``.
    """
    batch: list[Row] = []
    batch_bytes = 0
    for number, path in enumerate(paths):
        file_bytes = _size(path)
        if batch and (len(batch) == size or batch_bytes + file_bytes > max_bytes):
            yield batch
            batch, batch_bytes = [], 0
        folder = os.path.basename(os.path.dirname(os.path.abspath(path)))
        batch.append(Row(number, path, true_label=folder if folder in classes else None))
        batch_bytes += file_bytes
    if batch:
        yield batch


def read(path: str, max_bytes: int) -> bytes:
    """Return a file's bytes.

    Raises:
        OSError: it cannot be read, or is no plain file: a device may never end.
        FileTooLarge: it has more than ``max_bytes``.
    """
    found = os.stat(path)
    if stat.S_ISREG(found.st_mode):
        if found.st_size > max_bytes:
            raise FileTooLarge(f"The file has {found.st_size} bytes; at most {max_bytes} are sent.")
    elif not stat.S_ISDIR(found.st_mode):
        raise OSError(0, "Not a plain file", path)
    with open(path, "rb") as file:
        return file.read()


def _images_below(root: str) -> Iterator[str]:
    locked: list[str] = []
    for folder, subfolders, names in os.walk(
        root, onerror=lambda error: locked.append(str(error.filename))
    ):
        subfolders.sort()  # in place: os.walk goes on in this order
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES):
                yield os.path.join(folder, name)
    yield from locked


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # told when it is read
        return 0
