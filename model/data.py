"""EuroSAT in memory, and a split that any copy of the data set gives again."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from model.images import TILE_PX, Pixels, decode

SPLITS = ("train", "validation", "test")
TRAIN_SHARE, VALIDATION_SHARE = 0.8, 0.1  # the rest is the test split


@dataclass(frozen=True)
class Tiles:
    """Decoded tiles: ``pixels`` uint8 (n, 64, 64, 3), ``classes`` int64 (n,)."""

    pixels: Pixels
    classes: npt.NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Dataset:
    """A data set in three splits, with the digests that say which."""

    labels: list[str]
    splits: dict[str, Tiles]
    digest: str  # SHA-256 over every file's name and bytes, in order of name
    split_digest: str  # SHA-256 over "name split" lines, in order of name


def split_of(name: str) -> str:
    """Return the split of a file by the SHA-256 of its name, without its folder.

    >>> split_of("AnnualCrop_1.jpg") == split_of("AnnualCrop_1.jpg")
    True
    """
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    if share < TRAIN_SHARE:
        return "train"
    return "validation" if share < TRAIN_SHARE + VALIDATION_SHARE else "test"


def load(source: Path) -> Dataset:
    """Load every ``<Class>/<file>.jpg`` of a folder or zip archive, decoded as in serving.

    Raises:
        FileNotFoundError: if ``source`` holds no such file.
    """
    files = sorted(_files(source), key=lambda file: (file[0], file[1]))
    if not files:
        raise FileNotFoundError(f"no <Class>/<name>.jpg under {source}")
    labels = sorted({label for label, _, _ in files})
    digest, split_digest = hashlib.sha256(), hashlib.sha256()
    chosen: dict[str, list[tuple[Pixels, int, str]]] = {split: [] for split in SPLITS}
    for label, name, data in files:
        split = split_of(name)
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        split_digest.update(f"{name} {split}\n".encode())
        chosen[split].append((decode(data), labels.index(label), name))
    return Dataset(
        labels=labels,
        splits={split: _tiles(rows) for split, rows in chosen.items()},
        digest=digest.hexdigest(),
        split_digest=split_digest.hexdigest(),
    )


def _tiles(rows: list[tuple[Pixels, int, str]]) -> Tiles:
    none = np.empty((0, TILE_PX, TILE_PX, 3), np.uint8)
    return Tiles(
        pixels=np.stack([pixels for pixels, _, _ in rows]) if rows else none,
        classes=np.array([label for _, label, _ in rows], dtype=np.int64),
        names=[name for _, _, name in rows],
    )


def _files(source: Path) -> Iterator[tuple[str, str, bytes]]:
    if source.is_dir():
        for path in source.rglob("*.jpg"):
            yield path.parent.name, path.name, path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for member in archive.namelist():
            inner = PurePosixPath(member)
            if inner.suffix == ".jpg":
                yield inner.parent.name, inner.name, archive.read(member)
