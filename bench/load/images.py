"""What is sent: distinct images, in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from model.formats import ACCEPTED, MEDIA_TYPES, SIGNATURE_BYTES, sniff

DISTINCT = 100  # of a larger folder, so many: each is asked about by itself afterwards


@dataclass(frozen=True)
class Image:
    """A file's name below its folder, bytes and media type."""

    name: str
    data: bytes
    media_type: str


def images_of(folder: Path, rng: np.random.Generator) -> list[Image]:
    """Return the images below a folder, or a hundred of them, by chance.

    Raises:
        FileNotFoundError: there is none.
    """
    paths = sorted(one for one in folder.rglob("*") if one.is_file())
    mixed = (paths[number] for number in rng.permutation(len(paths)))
    found = list(islice(_images(folder, mixed), DISTINCT))
    if not found:
        raise FileNotFoundError(f"there is no image below {folder}: {ACCEPTED} are looked for")
    return found


def _images(folder: Path, paths: Iterator[Path]) -> Iterator[Image]:
    for path in paths:
        data = path.read_bytes()
        if kind := sniff(data[:SIGNATURE_BYTES]):
            yield Image(path.relative_to(folder).as_posix(), data, MEDIA_TYPES[kind])
